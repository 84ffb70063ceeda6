//! What a process shows of itself in numbers, twice a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use operators::{
    model::ids::PartitionId,
    ops::{EvaluateGauge, evaluating::SplitKeys, matcher::MatchCounts},
};
use sinks::TriggerSinkError;

use super::{stall::Waits, usage};
use crate::{
    checkpoint::KeeperGauge,
    protocol::{
        figures::{ByRule, CheckpointNumbers, RuleBoard},
        numbers::Numbers,
    },
    triggers::{destinations::TriggerSinks, write::SinkGauge},
};

/// Records that a source has not handed over yet, by partition; empty until a source that knows is open.
pub type Lags = Arc<OnceLock<Arc<Mutex<BTreeMap<PartitionId, i64>>>>>;

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
///
/// # Errors
/// If a sink has failed for good.
pub fn numbers(
    worker: usize,
    last: bool,
    gauges: &Gauges,
    progress: Progress,
) -> Result<Numbers, TriggerSinkError> {
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
    let sink = match worker {
        0 => Some(gauges.sink.borrow_mut().numbers(&gauges.sinks)?),
        _ => None,
    };
    Ok(Numbers {
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
        rules: gauges.rules.as_ref().and_then(RuleBoard::take_update),
        seconds: progress.seconds,
        cpu_seconds: usage::cpu_seconds(),
        memory,
        peak_memory,
        progress: progress.bytes,
        sink,
    })
}
