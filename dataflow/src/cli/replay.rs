//! `strateye replay`: runs rules over a file of events, on the events' own time, to the end.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use operators::model::decode::EventFormat;
use sources::events::ReadProgress;

use super::{
    CliError,
    launch::{ClusterEvent, launch},
    options::{Common, is_readable},
    summary::Summary,
    survey::{self, Survey, nothing_usable},
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
    /// Time at which all rules were published, unix ms or RFC 3339; the least time of an event if left out
    #[arg(long, value_name = "T", value_parser = instant)]
    publish_at: Option<i64>,
    /// Order of the events of a file
    #[arg(long, value_enum, default_value_t = Order::Auto)]
    order: Order,
    /// Replace the files of triggers and dead letters if they exist
    #[arg(long)]
    overwrite: bool,
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

/// Order in which the lines of a file are replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By time, if more than 1 % of the lines lie more than 10 minutes behind the highest time before them; else as
    /// the lines stand
    #[default]
    Auto,
    /// By time; lines of one time as they stand
    Time,
    /// As the lines stand
    File,
}

/// Input of a replay: events, and the instant at which all rules were published (unix ms).
#[derive(Debug)]
struct Replayed {
    events: Events,
    publish_at: i64,
    /// What is known of a file.
    survey: Option<Survey>,
}

impl Replayed {
    /// Reads the input named by the options. A file is read once to its end before it is replayed, unless that tells
    /// nothing that is not given.
    fn of(
        path: &Path,
        publish_at: Option<i64>,
        order: Order,
        format: &EventFormat,
    ) -> Result<Self, CliError> {
        if path.as_os_str() != "-" {
            is_readable(path)?;
        }
        if !path.is_file() {
            return Replayed::of_stream(path, publish_at, order);
        }
        let survey = match (publish_at, order) {
            (Some(_), Order::Time | Order::File) => None,
            _ => Some(Survey::of(path, format)?),
        };
        let sorted = order == Order::Time
            || order == Order::Auto && survey.as_ref().is_some_and(Survey::is_out_of_order);
        let least = survey.as_ref().map_or(0, |survey| survey.least);
        Ok(Replayed {
            events: if sorted { Events::SortedFile(path.to_owned()) } else { Events::File(path.to_owned()) },
            publish_at: publish_at.unwrap_or(least),
            survey,
        })
    }

    /// Input that can be read only once, and so in its own order only.
    fn of_stream(path: &Path, publish_at: Option<i64>, order: Order) -> Result<Self, CliError> {
        let shown = path.display();
        let once = "it can be read only once";
        if order == Order::Time {
            return Err(CliError::usage(format!(
                "--order time: --events {shown} can't be sorted, as {once}; write it to a file, and give the path"
            )));
        }
        let publish_at = publish_at.ok_or_else(|| {
            CliError::usage(format!(
                "--events {shown}: {once}, so the time of its first event is not known beforehand; give --publish-at T \
                 with it, or a path to a file"
            ))
        })?;
        let events = if path.as_os_str() == "-" { Events::Stdin } else { Events::File(path.to_owned()) };
        Ok(Replayed { events, publish_at, survey: None })
    }

    /// Says what people would not expect of the order.
    fn tell(&self) {
        if let (Events::SortedFile(path), Some(survey)) = (&self.events, &self.survey) {
            tracing::warn!(
                "{:.1} % of the lines of {} lie more than 10 minutes behind a line before them, so they are replayed in the \
                 order of their times; --order file keeps the order of the file",
                survey.late_share(),
                path.display(),
            );
        }
    }
}

impl Replay {
    pub(super) fn main(self) -> Result<(), CliError> {
        self.common.refuse_state()?;
        let settings = self.common.settings()?;
        settings.keep_files(&self.events, self.overwrite)?;
        let replayed = Replayed::of(&self.events, self.publish_at, self.order, &settings.fields)?;
        replayed.tell();
        if self.events.is_file() && survey::ids_are_uuids(&self.events, &settings.fields)? {
            tracing::warn!(
                "the event ids of {} are UUIDs, so no rule names them; say in [fields] under which name an event carries \
                 what happened, as in event_id = [\"event_name\"], or name a preset",
                self.events.display()
            );
        }
        let Replayed { events, publish_at, .. } = replayed;
        let (path, format) = (self.events, settings.fields.clone());
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
        if !finished {
            return Err(CliError::failed("interrupted: the summary covers only part of the events"));
        }
        let refused = summary.sum(|w| w.refused);
        // Lines that are too long are refused without being read, so this may be true with an event among them.
        if refused > 0 && refused >= summary.sum(|w| w.records) && summary.sum(|w| w.matched) == 0 {
            let reasons = if path.is_file() { nothing_usable(&path, &format)? } else { Some(Vec::new()) };
            if let Some(reasons) = reasons {
                return Err(CliError::failed(format!(
                    "no line is an event; --dead-letters FILE keeps each with the reason\n  {}",
                    reasons.join("\n  ")
                )));
            }
        }
        Ok(())
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
    let ahead = summary.sum(|w| w.ahead);
    if ahead > 0 {
        eprintln!(
            "{ahead} events are dated in the future: they moved no clock, and count as of those before them"
        );
    }
    for TriggerCount { rule_id, name, triggers } in summary.sink().by_rule() {
        eprintln!("{triggers:>10}  {rule_id}  {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, publish_at: Option<i64>, order: Order) -> Result<Replayed, String> {
        Replayed::of(Path::new(path), publish_at, order, &EventFormat::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn standard_input_is_replayed_from_a_given_instant() {
        let Replayed { events, publish_at, .. } = of("-", Some(7), Order::Auto).unwrap();
        assert!(matches!(events, Events::Stdin), "{events:?}");
        assert_eq!(publish_at, 7);
        let error = of("-", None, Order::Auto).unwrap_err();
        assert!(error.contains("give --publish-at T with it, or a path to a file"), "{error}");
        let error = of("-", Some(7), Order::Time).unwrap_err();
        assert!(error.contains("can't be sorted"), "{error}");
    }

    #[test]
    fn a_file_is_replayed_from_its_least_time_and_sorted_if_it_is_out_of_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let event = |time: u32| format!("{{\"guid\": 1, \"event_id\": \"A\", \"event_time\": {time}}}\n");
        let write = |times: [u32; 3]| std::fs::write(&path, times.map(event).concat()).unwrap();
        let path = path.to_str().unwrap();
        write([1_793_491_201, 1_793_491_200, 1_793_491_202]);
        let sorted = |publish_at, order| {
            let Replayed { events, publish_at, .. } = of(path, publish_at, order).unwrap();
            (matches!(events, Events::SortedFile(_)), publish_at)
        };
        assert_eq!(sorted(None, Order::Auto), (false, 1_793_491_200_000));
        assert_eq!(sorted(Some(7), Order::Auto), (false, 7));
        assert_eq!(sorted(Some(7), Order::Time), (true, 7));
        write([1_793_495_201, 1_793_491_200, 1_793_491_202]);
        assert_eq!(sorted(None, Order::Auto), (true, 1_793_491_200_000));
        assert_eq!(sorted(None, Order::File), (false, 1_793_491_200_000));
        assert_eq!(sorted(Some(7), Order::File), (false, 7));
        assert!(
            of(&format!("{path}.missing"), None, Order::Auto).unwrap_err().contains("there is no such file")
        );
    }
}
