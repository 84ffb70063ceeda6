//! Cost of a bound of memory: events of keys that are in memory, and of keys of which four in five are not.

use std::time::Instant;

use rdkafka::producer::Producer;
use serde_json::json;

use super::{Bench, Running, WITHIN, now, send, wrong};
use crate::{
    Error,
    harness::table::{Table, mebibytes, whole},
};

/// A bound that nothing reaches, MiB: state is weighed, and stays in memory.
const NO_BOUND: u64 = 1 << 20;
/// Steps from one key to the next of the second pass; prime, so that all keys are visited.
const STEP: u64 = 7_368_787;

/// Figures of a second pass over all keys.
struct Pass {
    /// Bytes of state in memory before it, of all processes.
    bytes: f64,
    evicted: f64,
    reloads: f64,
    /// Events per second.
    rate: f64,
    /// CPU time of the engine per event, µs.
    used: f64,
    /// Durations of the checkpoints meanwhile, seconds.
    checkpoints: Vec<f64>,
}

impl Bench<'_> {
    /// Measures an event for each key in another order, after one for each, without a bound and with one of a
    /// fifth of what all states take.
    pub(super) fn memory(&self) -> Result<Table, Error> {
        let whole_state = self.pass("memory-whole", NO_BOUND)?;
        let fifth = whole_state.bytes / f64::from(self.plan.processes) / 5.0 / f64::from(1 << 20);
        let fifth = (fifth as u64).max(1);
        let bounded = self.pass("memory-fifth", fifth)?;
        let mut table = Table::new(&[
            "memory of each process",
            "state",
            "evicted keys",
            "reloads",
            "events/s",
            "CPU µs/event",
            "checkpoint p50 ms",
            "max",
        ]);
        table.row(whole_state.row("all of the state".to_owned()));
        table.row(bounded.row(format!("{fifth} MiB")));
        Ok(table)
    }

    fn pass(&self, name: &str, memory_mb: u64) -> Result<Pass, Error> {
        self.topics(name);
        let rules = self.counting()?;
        self.configure(name, &rules, Some(1_000))?;
        self.bound(memory_mb)?;
        let running = self.start()?.ready()?;
        let (producer, topic) = (self.producer()?, format!("{name}-events"));
        self.fill_state(&running, &producer, &topic)?;
        let bytes = running.metric("strateye_state_bytes")?;
        let (cpu, begun) = (running.cpu(), Instant::now());
        for number in 0..self.plan.keys {
            let guid = number * STEP % self.plan.keys;
            send(&producer, &topic, &json!({"guid": guid, "event_id": "view", "event_time": now()}))?;
        }
        producer.flush(WITHIN).map_err(wrong)?;
        let checkpoints = self.await_second(&running)?;
        let (seconds, keys) = (begun.elapsed().as_secs_f64(), self.plan.keys as f64);
        let pass = Pass {
            bytes,
            evicted: running.metric("strateye_evicted_keys")?,
            reloads: running.metric("strateye_reloads_total")?,
            rate: keys / seconds,
            used: (running.cpu() - cpu) * 1e6 / keys,
            checkpoints,
        };
        running.stop()?;
        Ok(pass)
    }

    /// Waits until the second event of all keys is evaluated; returns the durations of checkpoints meanwhile.
    fn await_second(&self, running: &Running) -> Result<Vec<f64>, Error> {
        let (mut last, mut durations) = (0.0, Vec::new());
        running.until("all events are evaluated", |r| {
            let number = r.metric("strateye_checkpoint_number")?;
            if number > last {
                last = number;
                durations.push(r.metric("strateye_checkpoint_duration_seconds")?);
            }
            let waiting = r.metric("strateye_waiting_bytes")? + r.metric("strateye_reload_waiting")?;
            Ok(r.metric("strateye_events_total")? >= 2.0 * self.plan.keys as f64 && waiting == 0.0)
        })?;
        durations.sort_by(f64::total_cmp);
        Ok(durations)
    }
}

impl Pass {
    fn row(&self, memory: String) -> [String; 8] {
        let ms = |seconds: Option<&f64>| whole(seconds.copied().unwrap_or(0.0) * 1e3);
        [
            memory,
            mebibytes(self.bytes as u64),
            whole(self.evicted),
            whole(self.reloads),
            whole(self.rate),
            format!("{:.2}", self.used),
            ms(self.checkpoints.get(self.checkpoints.len() / 2)),
            ms(self.checkpoints.last()),
        ]
    }
}
