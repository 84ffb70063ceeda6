//! What a process shows of itself: numbers twice a second, news as they happen, all as JSON to the supervisor.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    rc::Rc,
    time::Duration,
};

use hdrhistogram::Histogram;
use operators::ops::{EvaluateGauge, matching::MatchCounts};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::sink::SinkGauge;
use crate::cluster::MessageSender;

/// What a worker shows of itself.
#[derive(Clone, Default)]
pub struct Gauges {
    /// Of `match`.
    pub matching: Rc<Cell<MatchCounts>>,
    /// Of `evaluate`.
    pub evaluating: Rc<Cell<EvaluateGauge>>,
    /// Of the sinks (worker 0).
    pub sink: Rc<RefCell<SinkGauge>>,
    /// What could not be done, in words.
    pub notes: Rc<RefCell<Vec<String>>>,
}

/// How often numbers are sent.
pub const EVERY: Duration = Duration::from_millis(500);

/// A worker's numbers, all since its start unless said otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// Which worker.
    pub worker: usize,
    /// Whether these are the last.
    pub last: bool,
    /// Records read.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records refused.
    pub refused: u64,
    /// Values of a kind that a comparison could not take.
    pub wrong_values: u64,
    /// Filters matched.
    pub matched: u64,
    /// Routed records sent.
    pub routed: u64,
    /// Folding calls.
    pub folded: u64,
    /// Values that a calculator could not take.
    pub not_folded: u64,
    /// Timers that ran out.
    pub timers: u64,
    /// Firings barred: before publish or paused.
    pub sealed: u64,
    /// Firings barred by a limit.
    pub limited: u64,
    /// Events ignored as late.
    pub late: u64,
    /// Failing calls.
    pub failed: u64,
    /// Keys remembered.
    pub keys: usize,
    /// Routed records waiting, bytes.
    pub waiting_bytes: usize,
    /// The timers' clock, unix ms.
    pub clock: i64,
    /// The partition that holds it back.
    pub held_back_by: Option<u32>,
    /// Generation of the rule book.
    pub generation: u64,
    /// States taken in from the checkpoint that was resumed.
    pub restored: u64,
    /// Seconds since the first record was read; 0 before.
    pub seconds: f64,
    /// CPU used by the process, seconds.
    pub cpu_seconds: f64,
    /// Most memory the process has had, bytes.
    pub peak_memory: u64,
    /// Progress of the source: bytes done, and of how many.
    pub progress: (u64, u64),
    /// What the sink shows (worker 0).
    pub sink: Option<SinkNumbers>,
}

/// The sink's numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SinkNumbers {
    /// Triggers written.
    pub triggers: u64,
    /// By rule: name and how many.
    pub by_rule: BTreeMap<String, (String, u64)>,
    /// Latest: rule name, key, held out.
    pub latest: Vec<(String, String, bool)>,
    /// Latency since the last report.
    pub latency: Latency,
    /// Latency over all, the first seconds left out.
    pub latency_total: Latency,
    /// Refused records and the last reason.
    pub refused: (u64, String),
}

/// From the moment a source read the cause to the moment the trigger was written, ms.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Triggers measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Greatest.
    pub max: f64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(us: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        Latency {
            count: us.len(),
            p50: ms(us.value_at_quantile(0.5)),
            p99: ms(us.value_at_quantile(0.99)),
            max: ms(us.max()),
        }
    }
}

impl SinkNumbers {
    fn take(gauge: &mut SinkGauge) -> Self {
        let numbers = SinkNumbers {
            triggers: gauge.triggers,
            by_rule: gauge.by_rule.clone(),
            latest: gauge.latest.iter().cloned().collect(),
            latency: Latency::from(&gauge.latency),
            latency_total: Latency::from(&gauge.latency_total),
            refused: gauge.refused.clone(),
        };
        gauge.latency.reset();
        numbers
    }
}

/// Reads a worker's gauges.
pub fn numbers(worker: usize, last: bool, gauges: &Gauges, progress: (u64, u64), seconds: f64) -> Numbers {
    let MatchCounts { records, bytes, refused, matched, routed, keyless: _, wrong_values } =
        gauges.matching.get();
    let EvaluateGauge { counts, keys, waiting_bytes, clock, held_back_by, generation, restored, .. } =
        gauges.evaluating.get();
    Numbers {
        worker,
        last,
        records,
        bytes,
        refused,
        wrong_values,
        matched,
        routed,
        folded: counts.folded,
        not_folded: counts.not_folded,
        timers: counts.timers,
        sealed: counts.sealed,
        limited: counts.limited,
        late: counts.late,
        failed: counts.failed,
        keys,
        waiting_bytes,
        clock,
        held_back_by,
        generation,
        restored,
        seconds,
        cpu_seconds: cpu_seconds(),
        peak_memory: peak_memory(),
        progress,
        sink: (worker == 0).then(|| SinkNumbers::take(&mut gauges.sink.borrow_mut())),
    }
}

/// User and system time of this process. Zero where /proc does not tell.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of /proc/self/stat, counted from behind the name, in ticks of 10 ms.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) as f64 / 100.0
}

/// Most resident memory of this process, bytes. Zero where /proc does not tell.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Says what happens to rules: into the log, and to the supervisor.
#[derive(Clone)]
pub struct News {
    /// To the supervisor.
    pub reporter: Reporter,
}

/// The way to the supervisor, if there is one.
#[derive(Clone)]
pub struct Reporter(pub Option<MessageSender>);

impl Reporter {
    /// Sends a message; one that finds the queue full is dropped, as the next numbers say the same anew.
    pub fn send(&self, body: Json) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(body);
        }
    }
}

impl News {
    fn send(&self, body: Json) {
        self.reporter.send(body);
    }

    /// Something is wrong and will be tried again.
    pub fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }

    /// A document was refused.
    pub fn rejected(&self, origin: &str, reason: &str) {
        tracing::warn!(origin, reason, "rule refused");
        self.send(json!({"rejected": {"origin": origin, "reason": reason}}));
    }

    /// A rule was quarantined.
    pub fn quarantined(&self, rule_id: &str, reason: &str) {
        tracing::warn!(rule_id, reason, "rule quarantined");
        self.send(json!({"quarantined": {"rule_id": rule_id, "reason": reason}}));
    }

    /// The breaker paused a rule.
    pub fn broken(&self, rule_id: &str, reason: &str) {
        tracing::warn!(rule_id, reason, "rule paused by the breaker");
        self.send(json!({"broken": {"rule_id": rule_id, "reason": reason}}));
    }

    /// A rule's change is in force on all workers.
    pub fn rule(&self, change: &Json, log: bool) {
        if log {
            tracing::info!(%change, "rule in force");
        }
        self.send(json!({"rule": change}));
    }

    /// A change set is in force on all workers.
    pub fn in_force(&self, epoch: u64) {
        self.send(json!({"in_force": epoch}));
    }
}
