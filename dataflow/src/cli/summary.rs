//! Summary of a cluster: sums of its workers' numbers, and the results of its rules.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use sources::events::ReadProgress;

use crate::protocol::{
    message::{Message, Rejection, RuleInForce, Stopped},
    numbers::{Latency, Numbers, SinkNumbers},
};

/// Latest numbers of every worker, and results of rules.
#[derive(Debug)]
pub(super) struct Summary {
    started: Instant,
    workers: BTreeMap<usize, Numbers>,
    /// Rule documents refused.
    pub(super) rejected: Vec<Rejection>,
    /// Rules quarantined.
    pub(super) quarantined: Vec<Stopped>,
    /// State of each rule in force.
    pub(super) rules: BTreeMap<String, String>,
    /// Instant at which the first rules were in force everywhere.
    pub(super) begun: Option<Instant>,
}

impl Summary {
    pub(super) fn new() -> Self {
        Summary {
            started: Instant::now(),
            workers: BTreeMap::new(),
            rejected: Vec::new(),
            quarantined: Vec::new(),
            rules: BTreeMap::new(),
            begun: None,
        }
    }

    /// Processes a message of a process. Returns a note for people, if it is worth one.
    pub(super) fn receive(&mut self, message: Message) -> Option<String> {
        match message {
            Message::Numbers(numbers) => drop(self.workers.insert(numbers.worker, *numbers)),
            Message::Rejected(rejection) => {
                let note = format!("refused {}: {}", rejection.origin, rejection.reason);
                self.rejected.push(rejection);
                return Some(note);
            }
            Message::Quarantined(stopped) => {
                let note = format!("quarantined {}: {}", stopped.rule_id, stopped.reason);
                self.quarantined.push(stopped);
                return Some(note);
            }
            Message::Broken(_) => {}
            Message::Rule(RuleInForce { rule_id, version, state, epoch, took_ms, .. }) => {
                let note = format!("{rule_id} v{version} {state} since epoch {epoch} ({took_ms} ms)");
                self.rules.insert(rule_id, state);
                return self.begun.map(|_| note);
            }
            Message::InForce(_) => drop(self.begun.get_or_insert_with(Instant::now)),
        }
        None
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn sum(&self, number: impl Fn(&Numbers) -> u64) -> u64 {
        self.workers.values().map(number).sum()
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = &Numbers> {
        self.workers.values()
    }

    /// CPU time of all processes, seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        self.workers.values().map(|w| w.cpu_seconds).sum()
    }

    pub(super) fn sink(&self) -> SinkNumbers {
        self.workers.get(&0).and_then(|w| w.sink.clone()).unwrap_or_default()
    }

    /// Progress of all workers' sources.
    pub(super) fn progress(&self) -> ReadProgress {
        self.workers.values().map(|worker| worker.progress).sum()
    }

    /// The whole summary as one JSON object. Latency is meaningful only when events come at their own pace.
    pub(super) fn json(&self, live: bool) -> Json {
        let seconds = self.workers.values().map(|w| w.seconds).fold(0.001, f64::max);
        let sink = self.sink();
        let events = self.sum(|w| w.records);
        let cpu = self.cpu_seconds();
        let Latency { p50, p99, max, count } = sink.latency_total;
        json!({
            "events": events,
            "bytes": self.sum(|w| w.bytes),
            "seconds": seconds,
            "events_per_second": events as f64 / seconds,
            "cpu_seconds": cpu,
            "cpu_cores": cpu / self.elapsed().as_secs_f64().max(0.001),
            "cpu_us_per_event": cpu * 1e6 / (events.max(1) as f64),
            "triggers": sink.triggers,
            "triggers_by_rule": sink.counts.0,
            "refused_events": self.sum(|w| w.refused),
            "refused_rules": self.rejected,
            "quarantined_rules": self.quarantined,
            "failed_calls": self.sum(|w| w.failed),
            "wrong_values": self.sum(|w| w.wrong_values + w.not_folded),
            "ahead": self.sum(|w| w.ahead),
            "unusable_values": self.sum(|w| w.unusable_values),
            "late": self.sum(|w| w.late),
            "duplicates": self.sum(|w| w.duplicates),
            "limited": self.sum(|w| w.limited),
            "sealed": self.sum(|w| w.sealed),
            "timers": self.sum(|w| w.timers),
            "keys": self.sum(|w| w.keys as u64),
            "conditions": self.sum(|w| w.conditions as u64),
            "latency_ms": if live && count > 0 { json!({"p50": p50, "p99": p99, "max": max, "count": count}) } else { Json::Null },
            "peak_memory_bytes": self.sum(|w| w.peak_memory),
            "processes": self.workers.len(),
        })
    }
}
