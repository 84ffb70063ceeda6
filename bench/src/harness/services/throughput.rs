//! Rate at which a backlog is read, and the cost of checkpoints: medians of several interleaved rounds,
//! because neighbours on the machine, the broker's compiler and Redis's own rewriting come and go.
//!
//! Events are stamped far in the future, so each counts as of when it is read: every run does the same work,
//! whenever its rules were published.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer};

use super::{Bench, Running, WITHIN, partition_of, queue, stamped, wrong};
use crate::{
    Error,
    harness::table::{Table, whole},
    workload::Folder,
};

/// 2100-01-01, unix ms.
const FUTURE: i64 = 4_102_444_800_000;

/// Figures are renewed twice a second: if none differs for this long, nothing changes any more.
const QUIET: Duration = Duration::from_secs(2);

/// Result of a run.
struct Measured {
    /// Events per second.
    rate: f64,
    /// CPU time of the engine per event, µs.
    used: f64,
    triggers: f64,
    checkpoints: Option<f64>,
}

/// Source of the events, place of the state, and the rounds' results.
struct Case {
    from: String,
    state: &'static str,
    rounds: Vec<Measured>,
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

impl Case {
    fn row(&self) -> [String; 6] {
        let of = |figure: fn(&Measured) -> f64| median(self.rounds.iter().map(figure).collect());
        let made = self.rounds.iter().filter_map(|m| m.checkpoints).collect::<Vec<_>>();
        [
            self.from.clone(),
            self.state.to_owned(),
            whole(of(|m| m.rate)),
            format!("{:.2}", of(|m| m.used)),
            whole(of(|m| m.triggers)),
            if made.is_empty() { "-".into() } else { whole(median(made)) },
        ]
    }
}

impl Bench<'_> {
    /// Measures the workload from a file without state, from a topic without state, and from a topic with
    /// checkpoints.
    pub(super) fn throughput(&self, progress: &mut dyn FnMut(&str)) -> Result<Table, Error> {
        let partitions = format!("{} partitions", super::PARTITIONS);
        let case = |from: &str, state| Case { from: from.to_owned(), state, rounds: Vec::new() };
        let mut cases =
            [case("a file", "none"), case(&partitions, "none"), case(&partitions, "Redis, each second")];
        progress("filling a topic");
        self.topics("backlog");
        self.fill("backlog-events")?;
        for round in 1..=self.plan.rounds {
            progress(&format!("round {round}: a file"));
            cases[0].rounds.push(self.file()?);
            progress(&format!("round {round}: the topic without state"));
            cases[1].rounds.push(self.backlog(round, None)?);
            progress(&format!("round {round}: the topic with checkpoints"));
            cases[2].rounds.push(self.backlog(round, Some(1_000))?);
        }
        let mut table =
            Table::new(&["workload", "state", "events/s", "CPU µs/event", "triggers", "checkpoints"]);
        cases.iter().for_each(|case| table.row(case.row()));
        Ok(table)
    }

    /// A replay of a file.
    fn file(&self) -> Result<Measured, Error> {
        let folder = self.folder.path().join("workload");
        let workload = Folder::of(&folder);
        workload.write(&self.plan.workload)?;
        let triggers = self.folder.path().join("triggers.jsonl");
        let replayed = self.engine.replay(&workload, self.plan.processes.into(), &triggers)?;
        Ok(Measured {
            rate: replayed.events_per_second,
            used: replayed.cpu_seconds * 1e6 / replayed.events.max(1) as f64,
            triggers: replayed.triggers as f64,
            checkpoints: None,
        })
    }

    fn fill(&self, topic: &str) -> Result<(), Error> {
        let producer = self.producer()?;
        for line in self.plan.workload.event_lines() {
            let event = stamped(&line, FUTURE)?;
            let text = event.to_string();
            let record = BaseRecord::to(topic).partition(partition_of(&event)).payload(text.as_str());
            queue(&producer, record.timestamp(FUTURE))?;
        }
        producer.flush(WITHIN).map_err(wrong)
    }

    /// From the first figures with events in them to those with all events.
    fn backlog(&self, round: u32, checkpoint_ms: Option<u64>) -> Result<Measured, Error> {
        self.configure_as("backlog", &format!("backlog-{round}"), &self.rules()?, checkpoint_ms)?;
        let running = self.start()?;
        let all = self.plan.workload.events as f64;
        let mut first = None;
        running.until("all events are evaluated", |running| {
            let read = running.metric("strateye_events_total")?;
            if read > 0.0 && first.is_none() {
                let checkpoint = running.metric("strateye_checkpoint_number")?;
                first = Some((Instant::now(), running.cpu(), read, checkpoint));
            }
            Ok(read >= all && running.metric("strateye_waiting_bytes")? == 0.0)
        })?;
        let Some((since, cpu, before, checkpoint)) = first else { return Err(wrong("no events")) };
        let (events, seconds) = (all - before, since.elapsed().as_secs_f64());
        let (rate, used) = (events / seconds, (running.cpu() - cpu) * 1e6 / events);
        let made = running.metric("strateye_checkpoint_number")? - checkpoint;
        let triggers = final_triggers(&running)?;
        running.stop()?;
        Ok(Measured { rate, used, triggers, checkpoints: checkpoint_ms.map(|_| made) })
    }
}

/// Number of triggers once it no longer grows.
fn final_triggers(running: &Running) -> Result<f64, Error> {
    let (mut last, mut since) = (0.0, Instant::now());
    running.until("no more triggers come", |running| {
        let fired = running.metric("strateye_rule_triggers_total")?;
        if fired > last {
            (last, since) = (fired, Instant::now());
        }
        Ok(since.elapsed() > QUIET)
    })?;
    Ok(last)
}
