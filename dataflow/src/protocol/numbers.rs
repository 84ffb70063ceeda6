//! Numbers that a worker reports about itself.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use operators::model::{
    epoch::Epoch,
    ids::{BookGeneration, IngestTime, PartitionId},
};
use serde::{Deserialize, Serialize};
use sources::events::ReadProgress;

use super::figures::{ByRule, CheckpointFigures, LatencyBuckets, RuleNumbers, SinkFigures};

/// A worker's numbers, all since its start unless stated otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Numbers {
    /// Index of the worker.
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
    /// Events of a replay that are dated in the future.
    pub ahead: u64,
    /// Values left out, as they can't be what their names say.
    pub unusable_values: u64,
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
    /// Events ignored by a rule as their message was there before.
    pub duplicates: u64,
    /// Failing calls.
    pub failed: u64,
    /// Keys remembered.
    pub keys: usize,
    /// Conditions of which keys in memory have a state.
    pub conditions: usize,
    /// Routed records waiting, bytes.
    pub waiting_bytes: usize,
    /// Approximate bytes of keys and states in memory; 0 without a bound.
    pub state_bytes: usize,
    /// Number of evicted keys.
    pub evicted_keys: usize,
    /// Keys reloaded so far.
    pub reloads: u64,
    /// Records that wait for their keys to be reloaded.
    pub reload_waiting: usize,
    /// Number of keys found in more than one partition, by `key_by`.
    pub split_keys: BTreeMap<String, u64>,
    /// The timers' clock, unix ms.
    pub clock: IngestTime,
    /// Partition that holds back the clock.
    pub held_back_by: Option<PartitionId>,
    /// Dependencies that the process waits for, each with the reason.
    #[serde(default)]
    pub awaits: Vec<String>,
    /// Generation of the rule book.
    pub generation: BookGeneration,
    /// States restored from the checkpoint that was resumed.
    pub restored: u64,
    /// Stored states that could not be read.
    pub unreadable: u64,
    /// Whether stored state is still being restored.
    pub restoring: bool,
    /// The last epoch announced.
    pub epoch: Epoch,
    /// Announced epochs that are not complete in the whole cluster.
    pub epochs_behind: u64,
    /// Records that sources have not delivered, by partition.
    pub lags: BTreeMap<PartitionId, i64>,
    /// Failing calls by rule (worker 0).
    pub failures: ByRule,
    /// The checkpoints (worker 0), if state is kept.
    pub checkpoint: Option<CheckpointFigures>,
    /// States of rules (worker 0), if they have changed.
    pub rules: Option<RuleNumbers>,
    /// Seconds since the first record was read; 0 before.
    pub seconds: f64,
    /// CPU used by the process, seconds.
    pub cpu_seconds: f64,
    /// Memory of the process, bytes.
    pub memory: u64,
    /// Most memory the process has had, bytes.
    pub peak_memory: u64,
    /// Progress of the source.
    pub progress: ReadProgress,
    /// Numbers of the sinks (worker 0).
    pub sink: Option<SinkNumbers>,
}

/// Numbers of the sinks of triggers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SinkNumbers {
    /// Triggers written.
    pub triggers: u64,
    /// Names of the rules in `counts`.
    pub names: BTreeMap<String, String>,
    /// Latest triggers.
    pub latest: Vec<LatestTrigger>,
    /// Latency since the last report.
    pub latency: Latency,
    /// Latency since the start, without the first seconds.
    pub latency_total: Latency,
    /// Distribution of latency since the start.
    pub buckets: LatencyBuckets,
    /// Triggers by rule, for at most as many rules as may be named.
    pub counts: ByRule,
    /// The sinks.
    pub sinks: Vec<SinkFigures>,
    /// Refused records.
    pub refused: RefusedRecords,
}

/// A trigger, as the live view shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestTrigger {
    /// Name of the rule; a long one is cut.
    pub rule: String,
    /// The key; a long one is cut.
    pub key: String,
    /// Whether it was held out.
    pub held_out: bool,
}

/// Number of triggers of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerCount<'n> {
    /// Id of the rule.
    pub rule_id: &'n str,
    /// Name of the rule.
    pub name: &'n str,
    /// Its triggers.
    pub triggers: u64,
}

/// Records that were refused as events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecords {
    /// Their number since the start.
    pub count: u64,
    /// Partition, offset and reason of the last one; empty if there is none.
    pub last: String,
}

/// Latency from the instant at which a source read the cause to the writing of the trigger, ms.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Triggers measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Maximum.
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
    /// Triggers of the rules that fired, ascending by id. Rules beyond the named ones count as one without a
    /// name.
    pub fn by_rule(&self) -> impl Iterator<Item = TriggerCount<'_>> {
        self.counts.0.iter().map(|(rule_id, triggers)| TriggerCount {
            rule_id,
            name: self.names.get(rule_id).map_or("", String::as_str),
            triggers: *triggers,
        })
    }
}
