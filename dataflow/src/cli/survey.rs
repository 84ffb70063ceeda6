//! Survey of a file of events before it is replayed: when it begins, and how far it is out of order.

use std::{path::Path, time::Duration};

use memchr::{memchr2, memmem::Finder};
use operators::{
    model::{
        decode::{Decoder, EventFormat, StreamDecoder},
        field::Fields,
        value::Value,
    },
    ops::evaluating::MAX_AHEAD,
};
use sources::events::{EventSource as _, FileSource, LineConfig, Next};

use super::CliError;
use crate::protocol::time::wall_clock;

/// Time by which a line lies behind the highest time before it that makes it late, ms.
const LATE: i64 = 10 * 60_000;

/// Late lines, in a hundred, beyond which a file is not in order.
const MOST_LATE: u64 = 1;

/// Most reasons kept.
const REASONS: usize = 3;

/// What a file of events holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Lines with a time.
    pub(super) events: u64,
    /// Events that lie more than ten minutes behind the highest time before them.
    pub(super) late: u64,
    /// The least time of an event, unix ms; 0 without events.
    pub(super) least: i64,
}

impl Survey {
    /// Reads a file to its end. Of a line as most systems write it only the time is read, so it may turn out later
    /// that it is no event.
    pub(super) fn of(path: &Path, format: &EventFormat) -> Result<Self, CliError> {
        let mut times = Times::new(format);
        let (mut survey, mut highest) = (Survey { least: i64::MAX, ..Survey::default() }, i64::MIN);
        // Who dates an event later has a wrong clock.
        let latest = wall_clock().saturating_add(MAX_AHEAD);
        each_line(path, |_, line| {
            let Some(time) = line.ok().and_then(|line| times.of(line)) else { return };
            survey.events += 1;
            if time <= latest {
                survey.late += u64::from(time < highest.saturating_sub(LATE));
                survey.least = survey.least.min(time);
                highest = highest.max(time);
            }
        })?;
        if survey.least == i64::MAX {
            survey.least = 0;
        }
        Ok(survey)
    }

    /// Whether so many lines are late that the file is no log of events as they came.
    pub(super) fn is_out_of_order(&self) -> bool {
        self.late * 100 > self.events * MOST_LATE
    }

    /// Share of late lines, in a hundred.
    pub(super) fn late_share(&self) -> f64 {
        self.late as f64 * 100.0 / self.events.max(1) as f64
    }
}

/// The first reasons why lines of a file are no events; `None` if one is an event, or none is there.
pub(super) fn nothing_usable(path: &Path, format: &EventFormat) -> Result<Option<Vec<String>>, CliError> {
    let mut decoder = StreamDecoder::new(Decoder::new(format), Fields::default());
    let (mut reasons, mut events) = (Vec::new(), 0u64);
    each_line(path, |number, line| {
        let reason = match line.map(|line| decoder.decode(line)) {
            Ok(Ok(event)) => {
                events += 1;
                return decoder.recycle(event);
            }
            Ok(Err(error)) => error.to_string(),
            Err(reason) => reason.to_owned(),
        };
        if reasons.len() < REASONS {
            reasons.push(format!("line {number}: {reason}"));
        }
    })?;
    Ok((events == 0 && !reasons.is_empty()).then_some(reasons))
}

/// Whether all of the first events of a file are called by UUIDs: then what happened stands elsewhere, as in systems that
/// call the id of a message `event_id`.
pub(super) fn ids_are_uuids(path: &Path, format: &EventFormat) -> Result<bool, CliError> {
    let (decoder, fields) = (Decoder::new(format), Fields::default());
    let mut file = FileSource::open(path, LineConfig::default()).map_err(CliError::usage)?;
    loop {
        match file.next(Duration::MAX).map_err(CliError::usage)? {
            Next::Batch(batch) => {
                let lines = batch.records.iter().map(|record| batch.record(record));
                let mut events = lines.filter_map(|line| decoder.decode(&fields, line).ok()).peekable();
                return Ok(events.peek().is_some() && events.all(|event| is_uuid(event.event_id())));
            }
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => return Ok(false),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Calls `visit` with the number, from 1, of every line that is not empty, and with the line, or the reason why its
/// source refuses it.
pub(super) fn each_line(
    path: &Path,
    mut visit: impl FnMut(u64, Result<&[u8], &str>),
) -> Result<(), CliError> {
    let mut file = FileSource::open(path, LineConfig::default()).map_err(CliError::usage)?;
    loop {
        match file.next(Duration::MAX).map_err(CliError::usage)? {
            Next::Batch(batch) => {
                batch.records.iter().for_each(|record| visit(record.offset.0 + 1, Ok(batch.record(record))));
                batch.refused.iter().for_each(|line| visit(line.offset.0 + 1, Err(&line.reason)));
            }
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => return Ok(()),
        }
    }
}

/// Reads the times of lines.
struct Times {
    decoder: Decoder,
    /// Names of the time, with quotes and colon.
    names: Vec<Finder<'static>>,
    slow: StreamDecoder,
}

impl Times {
    fn new(format: &EventFormat) -> Self {
        let decoder = Decoder::new(format);
        let finder = |name: &String| Finder::new(&format!("\"{name}\":")).into_owned();
        Times {
            slow: StreamDecoder::new(decoder.clone(), Fields::default()),
            names: format.event_time.iter().map(finder).collect(),
            decoder,
        }
    }

    /// The time of a line; `None` if the line is no event.
    fn of(&mut self, line: &[u8]) -> Option<i64> {
        if let Some(time) = self.at_first_sight(line) {
            return Some(time);
        }
        let event = self.slow.decode(line).ok()?;
        let time = event.event_time;
        self.slow.recycle(event);
        Some(time)
    }

    /// The time of a line in which one of its names stands once, among the first members and before any list or object,
    /// with whole digits.
    fn at_first_sight(&self, line: &[u8]) -> Option<i64> {
        let mut found = self.names.iter().filter_map(|name| Some((name.find(line)?, name.needle().len())));
        let (at, length) = found.next()?;
        let before = line.get(1..at)?;
        let plain =
            found.next().is_none() && !before.ends_with(b"\\") && memchr2(b'{', b'[', before).is_none();
        let value = line.get(at + length..)?.trim_ascii_start();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ends = value.get(digits).is_some_and(|byte| matches!(byte, b',' | b'}' | b' '));
        let again = self.names.iter().any(|name| name.find(&line[at + length..]).is_some());
        if !plain || !ends || again {
            return None;
        }
        let number: i64 = std::str::from_utf8(&value[..digits]).ok()?.parse().ok()?;
        self.decoder.time(&Value::Int(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_793_491_200_000;

    fn survey(lines: &[String]) -> Survey {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        Survey::of(&path, &EventFormat::default()).unwrap()
    }

    fn at(minutes: i64) -> String {
        format!(r#"{{"event_id": "a", "event_time": {}}}"#, AT + minutes * 60_000)
    }

    #[test]
    fn a_file_is_out_of_order_if_more_than_one_line_in_a_hundred_is_late() {
        let mut lines: Vec<String> = (0..98).map(|_| at(20)).collect();
        lines.extend([at(9), at(10)]);
        let found = survey(&lines);
        assert_eq!((found.events, found.late, found.least), (100, 1, AT + 9 * 60_000));
        assert!(!found.is_out_of_order());
        lines.push(at(0));
        let found = survey(&lines);
        assert!(found.is_out_of_order() && (1.9..2.0).contains(&found.late_share()), "{found:?}");
    }

    #[test]
    fn what_is_dated_in_the_future_makes_nothing_late() {
        let found =
            survey(&[r#"{"event_id": "a", "event_time": "2099-01-01T00:00:00Z"}"#.to_owned(), at(1), at(0)]);
        assert_eq!((found.events, found.late, found.least), (3, 0, AT));
    }

    #[test]
    fn a_time_seen_at_first_sight_is_that_of_the_event() {
        let mut times = Times::new(&EventFormat::default());
        let mut fast = 0;
        for line in [
            r#"{"guid": 1, "event_id": "a", "event_time": 1793491200001, "properties": {"ts": "x"}}"#,
            r#"{"event_id":"a","ts":1793491200001,"properties":{}}"#,
            r#"{"properties": {"event_time": 1793491200009}, "event_id": "a", "event_time": 1793491200001}"#,
            r#"{"a": [{"ts": 5}], "event_id": "a", "ts": 1793491200001}"#,
            r#"{"event_id": "a", "ts": 1793491200009, "event_time": 1793491200001}"#,
            r#"{"a\"ts": 1793491200009, "event_id": "a", "ts": 1793491200001}"#,
            r#"{"event_id": "a", "ts": 1793491200009, "ts": 1793491200001}"#,
            r#"{"event_id": "a", "ts": "1793491200001"}"#,
            r#"{"event_id": "a", "ts": 1793491200001.5}"#,
        ] {
            assert_eq!(times.of(line.as_bytes()), Some(AT + 1), "{line}");
            fast += u32::from(times.at_first_sight(line.as_bytes()).is_some());
        }
        assert_eq!(fast, 1, "of these one alone is as plain as that");
        for line in
            ["", "{}", r#"{"event_id": "a"}"#, r#"{"event_id": "a", "ts": 5}"#, "\"ts\":1793491200001"]
        {
            assert_eq!(times.of(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn uuids_are_no_names_of_events() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let are_uuids = |ids: &[&str]| {
            let line = |id: &&str| format!("{{\"event_id\":\"{id}\",\"ts\":{AT}}}\n");
            std::fs::write(&path, ids.iter().map(line).collect::<String>()).unwrap();
            ids_are_uuids(&path, &EventFormat::default()).unwrap()
        };
        let uuid = "C6EF3124-b53a-4b13-a233-0088f79dcbcb";
        assert!(are_uuids(&[uuid, uuid]));
        assert!(
            !are_uuids(&[uuid, "pay"])
                && !are_uuids(&[])
                && !are_uuids(&["c6ef3124b53a4b13a2330088f79dcbcb0000"])
        );
    }

    #[test]
    fn the_first_reasons_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let nothing = |lines: &[&str]| {
            std::fs::write(&path, lines.join("\n")).unwrap();
            nothing_usable(&path, &EventFormat::default()).unwrap()
        };
        let reasons = nothing(&["[]", "", "{}", "no", "{\"a\":1}", "no"]).unwrap();
        assert_eq!(reasons.len(), REASONS);
        assert!(reasons[1].contains("line 3: `event_id` is missing"), "{reasons:?}");
        let long = "x".repeat(2 << 20);
        assert!(nothing(&["", &long]).unwrap()[0].contains("line 2: "), "a line that is too long is none");
        assert_eq!(nothing(&[&long, &at(0)]), None);
        assert_eq!(nothing(&[]), None);
    }
}
