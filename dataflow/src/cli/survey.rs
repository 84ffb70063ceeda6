//! Survey of a file of events before it is replayed: when it begins, and how far it is out of order.

use std::{fmt, path::Path, time::Duration};

use operators::{
    model::{
        decode::{Decoder, EventFormat, StreamDecoder},
        field::Fields,
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
    /// Lines that are events.
    pub(super) events: u64,
    /// Lines that are none.
    pub(super) refused: u64,
    /// Events that lie more than ten minutes behind the highest time before them.
    pub(super) late: u64,
    /// The least time of an event, unix ms; 0 without events.
    pub(super) least: i64,
    /// The first reasons why lines are no events.
    reasons: Vec<String>,
}

impl Survey {
    /// Reads a file to its end.
    pub(super) fn of(path: &Path, format: &EventFormat) -> Result<Self, CliError> {
        let mut file = FileSource::open(path, LineConfig::default()).map_err(CliError::usage)?;
        let mut decoder = StreamDecoder::new(Decoder::new(format), Fields::default());
        let (mut survey, mut highest) = (Survey { least: i64::MAX, ..Survey::default() }, i64::MIN);
        // Who dates an event later has a wrong clock.
        let latest = wall_clock().saturating_add(MAX_AHEAD);
        loop {
            match file.next(Duration::MAX).map_err(CliError::usage)? {
                Next::Batch(batch) => {
                    for record in &batch.records {
                        let event = match decoder.decode(batch.record(record)) {
                            Ok(event) => event,
                            Err(error) => {
                                survey.refuse(record.offset.0, &error);
                                continue;
                            }
                        };
                        survey.events += 1;
                        // What is dated in the future moves no clock.
                        if event.event_time <= latest {
                            survey.late += u64::from(event.event_time < highest.saturating_sub(LATE));
                            survey.least = survey.least.min(event.event_time);
                            highest = highest.max(event.event_time);
                        }
                        decoder.recycle(event);
                    }
                    batch.refused.iter().for_each(|line| survey.refuse(line.offset.0, &line.reason));
                }
                Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
                Next::End => break,
            }
        }
        if survey.least == i64::MAX {
            survey.least = 0;
        }
        Ok(survey)
    }

    fn refuse(&mut self, offset: u64, reason: &dyn fmt::Display) {
        self.refused += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(format!("line {}: {reason}", offset + 1));
        }
    }

    /// Whether so many lines are late that the file is no log of events as they came.
    pub(super) fn is_out_of_order(&self) -> bool {
        self.late * 100 > self.events * MOST_LATE
    }

    /// Share of late lines, in a hundred.
    pub(super) fn late_share(&self) -> f64 {
        self.late as f64 * 100.0 / self.events.max(1) as f64
    }

    /// The first reasons why lines are no events, if none is one.
    pub(super) fn nothing_usable(&self) -> Option<String> {
        let nothing = self.events == 0 && self.refused > 0;
        nothing.then(|| self.reasons.join("\n  "))
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
    fn the_first_reasons_are_told_if_no_line_is_an_event() {
        let found = survey(&["[]", "{}", "", "no", "{\"a\":1}", "no"].map(str::to_owned));
        assert_eq!((found.events, found.refused, found.least), (0, 5, 0));
        let reasons = found.nothing_usable().unwrap();
        assert_eq!(reasons.lines().count(), REASONS);
        assert!(
            reasons.contains("line 2: `event_id` is missing") && reasons.contains("line 4: "),
            "{reasons}"
        );
        assert_eq!(survey(&["no".to_owned(), at(0)]).nothing_usable(), None);
        assert_eq!(survey(&[]).nothing_usable(), None);
    }
}
