//! From SIGKILL of a process until events are read again, with much state.

use std::{fs, time::Instant};

use rdkafka::producer::Producer;
use serde_json::json;

use super::{Bench, WITHIN, now, send, wrong};
use crate::{
    Error,
    harness::table::{Table, whole},
};

impl Bench<'_> {
    /// From SIGKILL of a process until events are read again, with much state.
    pub(super) fn recovery(&self) -> Result<Table, Error> {
        let name = "recovery";
        self.topics(name);
        let folder = self.folder.path().join("counting");
        fs::create_dir_all(&folder).map_err(wrong)?;
        let rule = json!({"rule_id": "count", "trigger": {"event": {"id": "never"}}, "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": "view"}}]});
        fs::write(folder.join("count.json"), rule.to_string()).map_err(wrong)?;
        self.configure(name, &folder.display().to_string(), Some(1_000))?;
        let running = self.start()?.ready()?;
        let (producer, topic) = (self.producer()?, format!("{name}-events"));
        for guid in 0..self.plan.keys {
            let line = json!({"guid": guid, "event_id": "view", "event_time": now()});
            send(&producer, &topic, &line)?;
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
        // The figures may be half a second old, and a checkpoint may have been begun before.
        commits(3.0)?;
        running.until("all is folded", |r| Ok(r.metric("strateye_checkpoint_unfolded")? == 0.0))?;
        // Until a commit has found it folded, it is listed.
        commits(3.0)?;
        let processes = strateye_tests::command::children(running.child.id());
        let victim =
            processes.last().and_then(|p| i32::try_from(*p).ok()).and_then(rustix::process::Pid::from_raw);
        let begun = Instant::now();
        rustix::process::kill_process(
            victim.ok_or_else(|| wrong("no process"))?,
            rustix::process::Signal::KILL,
        )
        .map_err(wrong)?;
        running.until("it restarts", |r| Ok(r.metric("strateye_restarts_total")? >= 1.0))?;
        send(&producer, &topic, &json!({"guid": 1, "event_id": "view", "event_time": now()}))?;
        let mut ready = None;
        running.until("events are read again", |r| {
            if ready.is_none() && r.get("/readyz")?.starts_with("HTTP/1.1 200") {
                ready = Some(begun.elapsed());
            }
            Ok(r.metric("strateye_events_total")? >= 1.0 && ready.is_some())
        })?;
        let (flowing, restored) = (begun.elapsed(), running.metric("strateye_restored_states")?);
        running.stop()?;
        let mut table = Table::new(&["SIGKILL to events", "keys", "restored", "seconds"]);
        let figures =
            [whole(self.plan.keys as f64), whole(restored), format!("{:.1}", flowing.as_secs_f64())];
        table.row([format!("{} processes", self.plan.processes)].into_iter().chain(figures));
        Ok(table)
    }
}
