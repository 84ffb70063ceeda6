//! Numbers that a process reports about itself, twice a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use operators::{
    model::{epoch::Epoch, ids::PartitionId},
    ops::{EvaluateGauge, evaluating::SplitKeys, matcher::MatchCounts},
};
use sinks::TriggerSinkError;
use sources::events::ReadProgress;

use super::{stall::Waits, usage};
use crate::{
    checkpoint::KeeperGauge,
    protocol::{
        figures::{ByRule, CheckpointFigures, RuleBoard},
        numbers::Numbers,
    },
    triggers::{destinations::TriggerSinks, write::SinkGauge},
};

/// Records that a source has not delivered yet, by partition; empty until a source with such figures is open.
pub type Lags = Arc<OnceLock<Arc<Mutex<BTreeMap<PartitionId, i64>>>>>;

/// Gauges of a worker.
#[derive(Clone, Default)]
pub struct Gauges {
    /// Figures of `match`.
    pub matching: Rc<Cell<MatchCounts>>,
    /// Figures of `evaluate`.
    pub evaluating: Rc<Cell<EvaluateGauge>>,
    /// Keys found in more than one partition, by `key_by`.
    pub split: Rc<RefCell<Vec<SplitKeys>>>,
    /// Figures of the sinks (worker 0).
    pub sink: Rc<RefCell<SinkGauge>>,
    /// The sinks (worker 0).
    pub sinks: Rc<TriggerSinks>,
    /// Last epoch announced, as `events` received it.
    pub epoch: Rc<Cell<Epoch>>,
    /// Lags of its partitions.
    pub lags: Lags,
    /// Failing calls (worker 0).
    pub failures: Rc<RefCell<ByRule>>,
    /// Time of the last report of a worker that it waits for something outside (worker 0).
    pub waits: Waits,
    /// Figures of the keeper of checkpoints (worker 0).
    pub keeper: Option<Arc<Mutex<KeeperGauge>>>,
    /// States of rules (worker 0).
    pub rules: Option<RuleBoard>,
    /// Failures to be logged, as text.
    pub notes: Rc<RefCell<Vec<String>>>,
}

/// Interval at which numbers are sent.
pub const EVERY: Duration = Duration::from_millis(500);

/// Progress of a worker.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Progress of its source.
    pub read: ReadProgress,
    /// Seconds since the first record was read; 0 before.
    pub seconds: f64,
    /// First epoch that is not complete; `None` once all are.
    pub incomplete: Option<Epoch>,
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
    awaits: Vec<String>,
) -> Result<Numbers, TriggerSinkError> {
    let (epoch, split) = (gauges.epoch.get(), gauges.split.borrow());
    let lags = gauges.lags.get().map(|lags| lags.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let keeper = gauges.keeper.as_ref().map(|gauge| *gauge.lock().unwrap_or_else(PoisonError::into_inner));
    let memory = usage::memory();
    let sink = match worker {
        0 => Some(gauges.sink.borrow_mut().numbers(&gauges.sinks)?),
        _ => None,
    };
    Ok(Numbers {
        worker,
        last,
        awaits,
        split_keys: split.iter().map(|keys| (keys.key_by.clone(), keys.count)).collect(),
        epoch,
        epochs_behind: progress.incomplete.map_or(0, |first| epoch.epochs_from(first)),
        lags: lags.unwrap_or_default(),
        failures: gauges.failures.borrow().clone(),
        checkpoint: keeper.map(CheckpointFigures::from),
        rules: gauges.rules.as_ref().and_then(RuleBoard::take_update),
        seconds: progress.seconds,
        cpu_seconds: usage::cpu_seconds(),
        memory: memory.current,
        peak_memory: memory.peak,
        progress: progress.read,
        sink,
        ..of_operators(gauges.matching.get(), gauges.evaluating.get())
    })
}

/// Numbers of `match` and `evaluate`; all others are zero or empty.
fn of_operators(matching: MatchCounts, evaluating: EvaluateGauge) -> Numbers {
    let EvaluateGauge { counts, .. } = evaluating;
    Numbers {
        records: matching.records,
        bytes: matching.bytes,
        refused: matching.refused,
        keyless: matching.keyless,
        wrong_values: matching.wrong_values,
        ahead: matching.ahead,
        unusable_values: matching.unusable_values,
        matched: matching.matched,
        routed: matching.routed,
        folded: counts.folded,
        not_folded: counts.not_folded,
        timers: counts.timers,
        sealed: counts.sealed,
        limited: counts.limited,
        late: counts.late,
        duplicates: counts.duplicates,
        failed: counts.failed,
        keys: evaluating.keys,
        conditions: evaluating.conditions,
        waiting_bytes: evaluating.waiting_bytes,
        state_bytes: evaluating.state_bytes,
        evicted_keys: evaluating.evicted_keys,
        reloads: evaluating.reloads,
        reload_waiting: evaluating.reload_waiting,
        clock: evaluating.clock,
        held_back_by: evaluating.held_back_by,
        generation: evaluating.generation,
        restored: evaluating.restored,
        unreadable: evaluating.unreadable,
        restoring: evaluating.restoring,
        ..Numbers::default()
    }
}
