//! What a process shows of itself in numbers, twice a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use operators::ops::{EvaluateGauge, evaluating::SplitKeys, matching::MatchCounts};
use serde::{Deserialize, Serialize};

use super::{
    figures::{ByRule, CheckpointNumbers, LatencyBuckets, RuleBoard, RuleNumbers, SinkFigures},
    sink::SinkGauge,
    stall::Waits,
    triggers::TriggerSinks,
    usage,
};
use crate::checkpoint::KeeperGauge;

/// Records that a source has not handed over yet, by partition; empty until a source that knows is open.
pub type Lags = Arc<OnceLock<Arc<Mutex<BTreeMap<u32, i64>>>>>;

/// What a worker shows of itself.
#[derive(Clone, Default)]
pub struct Gauges {
    /// Of `match`.
    pub matching: Rc<Cell<MatchCounts>>,
    /// Of `evaluate`.
    pub evaluating: Rc<Cell<EvaluateGauge>>,
    /// Keys found in more than one partition, by `key_by`.
    pub split: Rc<RefCell<Vec<SplitKeys>>>,
    /// Of the sinks (worker 0).
    pub sink: Rc<RefCell<SinkGauge>>,
    /// The sinks (worker 0).
    pub sinks: Rc<TriggerSinks>,
    /// The last epoch announced, as `events` heard it.
    pub epoch: Rc<Cell<u64>>,
    /// How far its partitions are behind.
    pub lags: Lags,
    /// Failing calls (worker 0).
    pub failures: Rc<RefCell<ByRule>>,
    /// When a worker last said that it waits for something outside (worker 0).
    pub waits: Waits,
    /// Of the keeper of checkpoints (worker 0).
    pub keeper: Option<Arc<Mutex<KeeperGauge>>>,
    /// How rules stand (worker 0).
    pub rules: Option<RuleBoard>,
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
    pub clock: i64,
    /// The partition that holds it back.
    pub held_back_by: Option<u32>,
    /// Generation of the rule book.
    pub generation: u64,
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
    pub lags: BTreeMap<u32, i64>,
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
    /// Rules that fired: id, name and triggers. Rules beyond those that are named count as one without a name.
    pub fn by_rule(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let name = |rule_id: &String| self.names.get(rule_id).map_or("", String::as_str);
        self.counts.0.iter().map(move |(rule_id, count)| (rule_id.as_str(), name(rule_id), *count))
    }

    pub(super) fn take(gauge: &mut SinkGauge, sinks: &TriggerSinks) -> Self {
        let numbers = SinkNumbers {
            triggers: gauge.triggers,
            names: gauge.names.clone(),
            latest: gauge.latest.iter().cloned().collect(),
            latency: Latency::from(&gauge.latency),
            latency_total: Latency::from(&gauge.latency_total),
            buckets: gauge.buckets,
            counts: gauge.counts.clone(),
            sinks: sinks.figures(),
            refused: gauge.refused.clone(),
        };
        gauge.latency.reset();
        numbers
    }
}

/// How far a worker has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes taken from its source, and of how many.
    pub bytes: (u64, u64),
    /// Seconds since the first record was read; 0 before.
    pub seconds: f64,
    /// The first epoch that is not complete; none once all are.
    pub incomplete: Option<u64>,
}

/// Reads a worker's gauges.
pub fn numbers(worker: usize, last: bool, gauges: &Gauges, progress: Progress) -> Numbers {
    let MatchCounts { records, bytes, refused, matched, routed, keyless, wrong_values } =
        gauges.matching.get();
    let EvaluateGauge { counts, keys, waiting_bytes, clock, held_back_by, generation, .. } =
        gauges.evaluating.get();
    let EvaluateGauge { restored, unreadable, restoring, .. } = gauges.evaluating.get();
    let EvaluateGauge { state_bytes, evicted_keys, reloads, reload_waiting, .. } = gauges.evaluating.get();
    let (epoch, split) = (gauges.epoch.get(), gauges.split.borrow());
    let lags = gauges.lags.get().map(|lags| lags.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let keeper = gauges.keeper.as_ref().map(|gauge| *gauge.lock().unwrap_or_else(PoisonError::into_inner));
    let (memory, peak_memory) = usage::memory();
    Numbers {
        worker,
        last,
        records,
        bytes,
        refused,
        keyless,
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
        state_bytes,
        evicted_keys,
        reloads,
        reload_waiting,
        split_keys: split.iter().map(|keys| (keys.key_by.clone(), keys.count)).collect(),
        clock,
        held_back_by,
        generation,
        restored,
        unreadable,
        restoring,
        epoch,
        epochs_behind: progress.incomplete.map_or(0, |first| epoch.saturating_sub(first)),
        lags: lags.unwrap_or_default(),
        failures: gauges.failures.borrow().clone(),
        checkpoint: keeper.map(CheckpointNumbers::from),
        rules: gauges.rules.as_ref().and_then(RuleBoard::news),
        seconds: progress.seconds,
        cpu_seconds: usage::cpu_seconds(),
        memory,
        peak_memory,
        progress: progress.bytes,
        sink: (worker == 0).then(|| SinkNumbers::take(&mut gauges.sink.borrow_mut(), &gauges.sinks)),
    }
}
