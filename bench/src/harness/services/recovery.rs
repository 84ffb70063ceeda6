//! Time from SIGKILL of a process until events have triggers again, with much state.

use std::{fs, time::Instant};

use rdkafka::producer::Producer;
use serde_json::json;

use super::{Bench, Running, Sender, WITHIN, now, send, wrong};
use crate::{
    Error,
    harness::table::{Table, whole},
};

impl Bench<'_> {
    /// Measures from SIGKILL of a process to a trigger that needs state from before.
    pub(super) fn recovery(&self) -> Result<Table, Error> {
        let name = "recovery";
        self.topics(name);
        self.configure(name, &self.counting()?, Some(1_000))?;
        let running = self.start()?.ready()?;
        let (producer, topic) = (self.producer()?, format!("{name}-events"));
        self.fill_state(&running, &producer, &topic)?;
        let processes = strateye_tests::command::children(running.child.id());
        let victim =
            processes.last().and_then(|p| i32::try_from(*p).ok()).and_then(rustix::process::Pid::from_raw);
        let triggers = self.consumer(&format!("{name}-triggers"))?;
        let begun = Instant::now();
        rustix::process::kill_process(
            victim.ok_or_else(|| wrong("no process"))?,
            rustix::process::Signal::KILL,
        )
        .map_err(wrong)?;
        running.until("it restarts", |r| Ok(r.metric("strateye_restarts_total")? >= 1.0))?;
        send(&producer, &topic, &json!({"guid": 1, "event_id": "ask", "event_time": now()}))?;
        let trigger = triggers.poll(WITHIN).ok_or_else(|| wrong("no trigger came"))?;
        let flowing = begun.elapsed();
        trigger.map_err(wrong)?;
        let running = running.ready()?;
        let restored = running.metric("strateye_restored_states")?;
        running.stop()?;
        let mut table = Table::new(&["SIGKILL to trigger", "keys", "restored", "seconds"]);
        let figures =
            [whole(self.plan.keys as f64), whole(restored), format!("{:.1}", flowing.as_secs_f64())];
        table.row([format!("{} processes", self.plan.processes)].into_iter().chain(figures));
        Ok(table)
    }

    /// Folder of a rule that counts the events `view` of each user, and fires at `ask`.
    pub(super) fn counting(&self) -> Result<String, Error> {
        let folder = self.folder.path().join("counting");
        fs::create_dir_all(&folder).map_err(wrong)?;
        let rule = json!({"rule_id": "count", "trigger": {"event": {"id": "ask"}}, "conditions": [
            {"id": "viewed", "calculator": "count", "event": {"id": "view"}}]});
        fs::write(folder.join("count.json"), rule.to_string()).map_err(wrong)?;
        Ok(folder.display().to_string())
    }

    /// Sends an event for every planned key, and waits until their state is committed and compacted.
    pub(super) fn fill_state(&self, running: &Running, producer: &Sender, topic: &str) -> Result<(), Error> {
        for guid in 0..self.plan.keys {
            let line = json!({"guid": guid, "event_id": "view", "event_time": now()});
            send(producer, topic, &line)?;
        }
        producer.flush(WITHIN).map_err(wrong)?;
        running.until("all events are evaluated", |r| {
            let read = r.metric("strateye_events_total")?;
            Ok(read >= self.plan.keys as f64 && r.metric("strateye_waiting_bytes")? == 0.0)
        })?;
        let commits = |more: f64| -> Result<(), Error> {
            let saved = running.metric("strateye_checkpoint_number")?;
            running
                .until("more is committed", |r| Ok(r.metric("strateye_checkpoint_number")? >= saved + more))
        };
        // The figures may be half a second old, and a checkpoint may have been started before.
        commits(3.0)?;
        running.until("all is compacted", |r| Ok(r.metric("strateye_checkpoints_unfolded")? == 0.0))?;
        // A blob stays listed until a commit has found it compacted.
        commits(3.0)
    }
}
