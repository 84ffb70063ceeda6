//! Decides what `evaluate` may do when; independent of timely.
//!
//! **Invariants**
//! - A record of epoch t is evaluated after `Epoch(t)` was received here, so every switch up to t is known;
//!   the sender may have received it earlier.
//! - A switch, checkpoint or correction at epoch s is a barrier: records of s and later wait, in their order,
//!   until the frontier of routed records has reached s; then the book changes, state is saved or corrected,
//!   and they are evaluated. No other records wait.
//! - Until all stored state is restored, the only thing that happens is the first switch.
//! - A trigger belongs to the first checkpoint saved after it fired.
//! - Clocks of epoch e are applied when all frontiers have passed e, so every record that affects a timer was
//!   evaluated before the timer runs. The clock is the least of all partitions'.
//! - Records of an evicted key wait until it is reloaded, others do not; a barrier waits until no key is
//!   being reloaded. Timers that the clock makes due reload their keys, and hold back nothing but barriers.
//! - Capabilities are held for waiting records and clocks, and for keys being reloaded. The amount of waiting
//!   data is bounded by the read-ahead of the sources.
//! - One call of [`Schedule::work`] does a bounded amount of work, so that the worker stays responsive.
//!
//! `records` evaluates records that need not wait, `barriers` passes barriers, `clocks` applies clocks,
//! `restoring` restores stored state.

mod barriers;
mod clocks;
#[cfg(test)]
mod cuts_tests;
mod records;
mod restoring;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use self::{
    barriers::Passed,
    clocks::ClocksOf,
    records::Waiting,
    restoring::{RestoreLog, Restoring},
};
use super::{
    emitted::Emitted,
    evaluating::{Evaluator, MemoryGauge, SplitKeys},
    gauge::EvaluateGauge,
    kit::Frontier,
    reload::{Bounded, Reloads},
    signal::{Barrier, Part, Saver, Shelf, Signal},
};
use crate::{
    model::{
        epoch::Epoch,
        ids::{CheckpointNumber, Clocks},
        trigger::Fired,
    },
    state::Delta,
};

/// Records, calls and timers after which the worker lets other operators run.
const SLICE: u64 = 4_096;
/// Places visited by eviction per record or key that came in.
const LOOKS: usize = 2;

/// Progress of the inputs of `evaluate`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Frontier of routed records.
    pub(super) routed: Frontier,
    /// Frontier of stored state.
    pub(super) stored: Frontier,
    /// The frontier of all inputs that is furthest behind.
    pub(super) slowest: Frontier,
}

/// Output for triggers and failures; `C` are the capabilities of an epoch.
pub(super) trait Output<C> {
    /// Sends `fired` and the failures in `emitted`, and removes them.
    fn send(&mut self, fired: &mut Vec<Fired>, emitted: &mut Emitted, at: &C);
}

/// Index of a worker, and the number of workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerPlace {
    /// Index of this worker.
    pub(super) index: usize,
    /// Number of workers.
    pub(super) peers: usize,
}

/// An evaluator and everything that waits for it; `C` are the capabilities of an epoch.
pub(super) struct Schedule<C> {
    evaluator: Evaluator,
    shelf: Arc<dyn Shelf>,
    place: WorkerPlace,
    /// Last epoch announced.
    announced: Option<Epoch>,
    /// Barriers announced and not passed, with their epochs, ascending.
    barriers: VecDeque<(Epoch, Barrier)>,
    /// Records not evaluated yet.
    waiting: VecDeque<Waiting<C>>,
    /// Clocks not applied yet, by epoch.
    clocks: BTreeMap<Epoch, ClocksOf<C>>,
    /// Clocks applied so far.
    applied: Clocks,
    /// Restoring, until all stored state is restored.
    restoring: Option<Restoring>,
    /// Records and timers that wait for evicted keys, if memory is bounded.
    reloads: Option<Reloads<C>>,
    emissions: Emissions,
    log: RestoreLog,
    gauge: EvaluateGauge,
}

impl<C: Clone> Schedule<C> {
    /// Makes a schedule for `evaluator`, which has no keys yet.
    pub(super) fn new(
        mut evaluator: Evaluator,
        shelf: Arc<dyn Shelf>,
        saver: Box<dyn Saver>,
        place: WorkerPlace,
    ) -> Self {
        if !saver.keeps_state() {
            evaluator.without_checkpoints();
        }
        Schedule {
            evaluator,
            shelf,
            place,
            announced: None,
            barriers: VecDeque::new(),
            waiting: VecDeque::new(),
            clocks: BTreeMap::new(),
            applied: Clocks::default(),
            restoring: Some(Restoring::default()),
            reloads: None,
            emissions: Emissions { saver, held: Vec::new() },
            log: RestoreLog::default(),
            gauge: EvaluateGauge::default(),
        }
    }

    /// Bounds the memory of keys; to be called first.
    pub(super) fn bound(&mut self, bounded: Bounded) {
        self.evaluator.bound(bounded.bytes);
        self.reloads = Some(Reloads::new(bounded.loader));
    }

    /// Processes a signal of worker 0.
    pub(super) fn signal(&mut self, signal: &Signal) {
        match (signal, self.restoring.as_mut()) {
            (Signal::Epoch(epoch), _) => self.announced = Some(*epoch),
            (Signal::Start(start), Some(restoring)) => {
                restoring.begin(Arc::clone(start));
                self.evaluator.resume(start.checkpoint.unwrap_or_default());
            }
            (Signal::Compacted(n), _) => self.evaluator.compacted(*n),
            _ => self.barriers.extend(signal.barrier()),
        }
    }

    /// Does everything that this progress allows: evaluates records as far as they may go, then passes the
    /// barrier that held back the rest, and so on. Returns true if there is more to do at once.
    pub(super) fn work(&mut self, progress: Progress, output: &mut impl Output<C>) -> bool {
        let more = self.work_on(progress, output);
        if let Some(reloads) = &mut self.reloads {
            reloads.request();
        }
        more
    }

    fn work_on(&mut self, progress: Progress, output: &mut impl Output<C>) -> bool {
        loop {
            if !self.finish_restoring(progress.stored) {
                return true;
            }
            if self.restoring.is_none() && !(self.take_reloaded(output) && self.evaluate(output)) {
                return true;
            }
            match self.pass(progress.routed) {
                Passed::Not => {
                    return self.restoring.is_none() && !self.apply_clocks(progress.slowest, output);
                }
                Passed::Partly => return true,
                Passed::Wholly => {}
            }
        }
    }

    /// Epoch of the next barrier; records and clocks of it and later wait.
    fn next_barrier(&self) -> Epoch {
        self.barriers.front().map_or(Epoch::MAX, |(at, _)| *at)
    }

    /// Evicts keys, except those that a correction waits for.
    fn evict(&mut self, looks: usize) {
        if !matches!(self.barriers.front(), Some((_, Barrier::Correct(_)))) {
            self.evaluator.evict(looks);
        }
    }

    /// Takes out the reasons why stored states could not be read and corrections could not be applied.
    pub(super) fn take_refused(&mut self) -> Vec<String> {
        self.log.take_refused()
    }

    /// Keys found in more than one partition, if their number has grown since the last call.
    pub(super) fn take_split(&mut self) -> Option<Vec<SplitKeys>> {
        self.evaluator.take_split()
    }

    /// Current figures.
    pub(super) fn gauge(&self) -> EvaluateGauge {
        let MemoryGauge { bytes, evicted, reloads } = self.evaluator.memory();
        EvaluateGauge {
            counts: self.evaluator.counts(),
            keys: self.evaluator.keys(),
            conditions: self.evaluator.conditions(),
            restored: self.log.restored,
            unreadable: self.log.unreadable,
            restoring: self.restoring.is_some(),
            state_bytes: bytes,
            evicted_keys: evicted,
            reloads,
            reload_waiting: self.reloads.as_ref().map_or(0, Reloads::records),
            ..self.gauge
        }
    }
}

/// Triggers on their way out and, if checkpoints contain triggers, into the next checkpoint.
struct Emissions {
    saver: Box<dyn Saver>,
    /// Triggers since the last checkpoint, if checkpoints contain triggers.
    held: Vec<Fired>,
}

impl Emissions {
    /// Sends triggers and failures, with the capabilities `at`.
    fn send<C>(&mut self, emitted: &mut Emitted, at: &C, output: &mut impl Output<C>) {
        let mut fired = std::mem::take(&mut emitted.triggers);
        if self.saver.holds_triggers() {
            self.held.extend_from_slice(&fired);
        }
        output.send(&mut fired, emitted, at);
    }

    /// Saves changes of state as part of checkpoint `number`.
    fn save_state(&self, number: CheckpointNumber, delta: Delta) {
        self.saver.save(number, Part::State(delta));
    }

    /// Ends checkpoint `number`, with the triggers since the one before.
    fn end_checkpoint(&mut self, number: CheckpointNumber) {
        if !self.held.is_empty() {
            self.saver.save(number, Part::Triggers(std::mem::take(&mut self.held)));
        }
        self.saver.save(number, Part::End);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
