//! The numbers that a worker shows of itself.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use operators::model::ids::{BookGeneration, IngestTime, PartitionId};
use serde::{Deserialize, Serialize};

use super::figures::{ByRule, CheckpointNumbers, LatencyBuckets, RuleNumbers, SinkFigures};

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
    /// Matches dropped because the event lacked a key field.
    pub keyless: u64,
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
    /// Keys and states in memory, bytes, about; 0 without a bound.
    pub state_bytes: usize,
    /// Keys out of memory.
    pub evicted_keys: usize,
    /// Keys read back into memory.
    pub reloads: u64,
    /// Records that wait for their keys to be read back.
    pub reload_waiting: usize,
    /// How many keys were found in more than one partition, by `key_by`.
    pub split_keys: BTreeMap<String, u64>,
    /// The timers' clock, unix ms.
    pub clock: IngestTime,
    /// The partition that holds it back.
    pub held_back_by: Option<PartitionId>,
    /// Generation of the rule book.
    pub generation: BookGeneration,
    /// States taken in from the checkpoint that was resumed.
    pub restored: u64,
    /// Stored states that could not be read.
    pub unreadable: u64,
    /// Whether stored state is still being taken in.
    pub restoring: bool,
    /// The last epoch announced.
    pub epoch: u64,
    /// Announced epochs that are not complete in the whole cluster.
    pub epochs_behind: u64,
    /// Records that sources have not handed over, by partition.
    pub lags: BTreeMap<PartitionId, i64>,
    /// Failing calls by rule (worker 0).
    pub failures: ByRule,
    /// The checkpoints (worker 0), if state is kept.
    pub checkpoint: Option<CheckpointNumbers>,
    /// How rules stand (worker 0), if that is news.
    pub rules: Option<RuleNumbers>,
    /// Seconds since the first record was read; 0 before.
    pub seconds: f64,
    /// CPU used by the process, seconds.
    pub cpu_seconds: f64,
    /// Memory of the process, bytes.
    pub memory: u64,
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
    /// Names of the rules in `counts`.
    pub names: BTreeMap<String, String>,
    /// Latest: rule name, key, held out.
    pub latest: Vec<(String, String, bool)>,
    /// Latency since the last report.
    pub latency: Latency,
    /// Latency over all, the first seconds left out.
    pub latency_total: Latency,
    /// How latency is distributed, from the start on.
    pub buckets: LatencyBuckets,
    /// Triggers by rule, for as many rules as may be named.
    pub counts: ByRule,
    /// The sinks.
    pub sinks: Vec<SinkFigures>,
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
    /// Rules that fired: id, name and triggers. Rules beyond those that are named count as one without a
    /// name.
    pub fn by_rule(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let name = |rule_id: &String| self.names.get(rule_id).map_or("", String::as_str);
        self.counts.0.iter().map(move |(rule_id, count)| (rule_id.as_str(), name(rule_id), *count))
    }
}
