//! How fast a backlog is read, and what checkpoints cost.
//!
//! Events are stamped far in the future, so each counts as of when it is read: every run does the same work, whenever its rules were
//! published.

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

/// Figures come twice a second: no other one for so long means that nothing changes.
const QUIET: Duration = Duration::from_secs(2);

impl Bench<'_> {
    /// The workload from a file without state, from a topic without state, and from a topic with checkpoints.
    pub(super) fn throughput(&self, progress: &mut dyn FnMut(&str)) -> Result<Table, Error> {
        let mut table =
            Table::new(&["workload", "state", "events/s", "CPU µs/event", "triggers", "checkpoints"]);
        progress("reading a file");
        table.row(self.file()?);
        progress("filling a topic");
        self.topics("backlog");
        self.fill("backlog-events")?;
        for (state, checkpoint_ms) in [("none", None), ("Redis, each second", Some(1_000))] {
            progress(&format!("reading the topic, state: {state}"));
            table.row(self.backlog(state, checkpoint_ms)?);
        }
        Ok(table)
    }

    /// A replay of a file.
    fn file(&self) -> Result<[String; 6], Error> {
        let folder = self.folder.path().join("workload");
        let workload = Folder::of(&folder);
        workload.write(&self.plan.workload)?;
        let triggers = self.folder.path().join("triggers.jsonl");
        let replayed = self.engine.replay(&workload, self.plan.processes.into(), &triggers)?;
        let used = replayed.cpu_seconds * 1e6 / replayed.events.max(1) as f64;
        let rate = whole(replayed.events_per_second);
        Ok([
            "a file".into(),
            "none".into(),
            rate,
            format!("{used:.2}"),
            whole(replayed.triggers as f64),
            "-".into(),
        ])
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

    /// From the first figures with events in them to those with all.
    fn backlog(&self, state: &str, checkpoint_ms: Option<u64>) -> Result<[String; 6], Error> {
        self.configure("backlog", &self.rules()?, checkpoint_ms)?;
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
        let fired = settled(&running)?;
        running.stop()?;
        let from = format!("{} partitions", super::PARTITIONS);
        Ok([from, state.to_owned(), whole(rate), format!("{used:.2}"), whole(fired), whole(made)])
    }
}

/// How many triggers there are, once there are no more.
fn settled(running: &Running) -> Result<f64, Error> {
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
