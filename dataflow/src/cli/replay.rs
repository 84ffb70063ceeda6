//! `strateye replay`: runs rules over a file of events, on the events' own time, to the end.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use operators::model::{decode::Decoder, decode::EventFormat, field::Fields};
use sources::events::{EventSource, FileSource, LineConfig, Next, ReadProgress};

use super::{
    CliError,
    launch::{ClusterEvent, launch},
    options::{Common, is_readable},
    summary::Summary,
};
use crate::{cluster::Restart, protocol::numbers::TriggerCount, run::job::Events};

#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    common: Common,
    /// The events, one JSON object per line; `-` for standard input, together with --publish-at
    #[arg(long, value_name = "FILE.jsonl")]
    events: PathBuf,
    /// Number of processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=128))]
    processes: u16,
    /// Time at which all rules were published, unix ms or RFC 3339; the first event's time if left out
    #[arg(long, value_name = "T", value_parser = instant)]
    publish_at: Option<i64>,
    /// Print the summary as one JSON object on standard output (triggers then go to --triggers only)
    #[arg(long)]
    json: bool,
}

fn instant(text: &str) -> Result<i64, CliError> {
    let ms = text.parse::<i64>().ok();
    let ms = ms.or_else(|| text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond()));
    ms.ok_or_else(|| {
        CliError::usage(
            "write unix milliseconds or RFC 3339 with an offset, such as 2026-11-20T00:00:00+08:00",
        )
    })
}

/// Time of the first event, unix ms; 0 for a file without events.
fn first_time(path: &Path, names: &EventFormat) -> Result<i64, CliError> {
    let mut source = FileSource::open(path, LineConfig::default()).map_err(CliError::usage)?;
    let decoder = Decoder::new(names);
    let fields = Fields::default();
    loop {
        match source.next(Duration::MAX).map_err(CliError::usage)? {
            Next::Batch(batch) => {
                let times =
                    batch.records.iter().filter_map(|r| decoder.decode(&fields, batch.record(r)).ok());
                if let Some(event) = times.into_iter().next() {
                    return Ok(event.event_time);
                }
            }
            Next::Idle | Next::CaughtUp { .. } | Next::Opened(_) => {}
            Next::End => return Ok(0),
        }
    }
}

/// Input of a replay: events, and the instant at which all rules were published (unix ms).
#[derive(Debug)]
struct Replayed {
    events: Events,
    publish_at: i64,
}

impl Replayed {
    /// Reads the input named by the options. Without an instant it is the time of the first event, for which
    /// a file is read twice.
    fn of(path: &Path, publish_at: Option<i64>, names: &EventFormat) -> Result<Self, CliError> {
        if path.as_os_str() == "-" {
            let publish_at = publish_at.ok_or_else(|| {
                CliError::usage(
                    "--events -: standard input can be read only once, so the time of its first event is not known \
                     beforehand; give --publish-at T with it, or a path to a file",
                )
            })?;
            return Ok(Replayed { events: Events::Stdin, publish_at });
        }
        is_readable(path)?;
        let publish_at = publish_at.map_or_else(|| first_time(path, names), Ok)?;
        Ok(Replayed { events: Events::File(path.to_owned()), publish_at })
    }
}

impl Replay {
    pub(super) fn main(self) -> Result<(), CliError> {
        self.common.refuse_state()?;
        let settings = self.common.settings()?;
        let Replayed { events, publish_at } = Replayed::of(&self.events, self.publish_at, &settings.fields)?;
        let mut job = settings.job(events, settings.replay(publish_at))?;
        if self.json && settings.triggers.is_none() {
            job.triggers = Vec::new();
        }
        let cluster = launch(&job, self.processes.into(), Restart::Never, "info")?;
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}% {msg}") {
            bar.set_style(style);
        }
        let mut summary = Summary::new();
        loop {
            match cluster.next(Duration::from_millis(500)) {
                ClusterEvent::Message(message) => {
                    summary.receive(message);
                    let ReadProgress { bytes, total } = summary.progress();
                    bar.set_length(total.unwrap_or(0));
                    bar.set_position(bytes);
                    bar.set_message(format!(
                        "{} events, {} triggers",
                        summary.sum(|w| w.records),
                        summary.sink().triggers
                    ));
                }
                ClusterEvent::Notice(_) | ClusterEvent::Quiet => {}
                ClusterEvent::Over => break,
            }
        }
        bar.finish_and_clear();
        let finished = cluster.wait()?;
        print(&summary, self.json);
        if finished {
            Ok(())
        } else {
            Err(CliError::failed("interrupted: the summary covers only part of the events"))
        }
    }
}

#[expect(clippy::print_stdout, reason = "the summary is what the command was asked for")]
fn print(summary: &Summary, json: bool) {
    let all = summary.json(false);
    if json {
        println!("{all}");
        return;
    }
    eprintln!(
        "{} events in {:.2} s ({:.0} events/s, {:.2} CPU µs each), {} triggers, {} lines refused, {} rules refused, peak memory {} MiB",
        all["events"],
        all["seconds"].as_f64().unwrap_or(0.0),
        all["events_per_second"].as_f64().unwrap_or(0.0),
        all["cpu_us_per_event"].as_f64().unwrap_or(0.0),
        all["triggers"],
        all["refused_events"],
        summary.rejected.len(),
        all["peak_memory_bytes"].as_u64().unwrap_or(0) >> 20,
    );
    for TriggerCount { rule_id, name, triggers } in summary.sink().by_rule() {
        eprintln!("{triggers:>10}  {rule_id}  {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, publish_at: Option<i64>) -> Result<Replayed, String> {
        Replayed::of(Path::new(path), publish_at, &EventFormat::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn standard_input_is_replayed_from_a_given_instant() {
        let Replayed { events, publish_at } = of("-", Some(7)).unwrap();
        assert!(matches!(events, Events::Stdin), "{events:?}");
        assert_eq!(publish_at, 7);
        let error = of("-", None).unwrap_err();
        assert!(error.contains("give --publish-at T with it, or a path to a file"), "{error}");
    }

    #[test]
    fn a_file_is_replayed_from_its_first_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "no event\n{\"guid\": 1, \"event_id\": \"A\", \"event_time\": 1793491200}\n")
            .unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(of(path, None).unwrap().publish_at, 1_793_491_200_000);
        assert_eq!(of(path, Some(7)).unwrap().publish_at, 7);
        assert!(of(&format!("{path}.missing"), None).unwrap_err().contains("there is no such file"));
    }
}
