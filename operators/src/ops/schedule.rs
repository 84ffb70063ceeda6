//! When `evaluate` may do what, without timely.
//!
//! **Invariants**
//! - A record of epoch t is evaluated once `Epoch(t)` was received here, so every switch up to t is known;
//!   the sender may have received it sooner.
//! - A switch, checkpoint or correction at epoch s is a barrier: records of s and later wait, in their order,
//!   until the frontier of routed records has reached s; then the book changes, state is saved or corrected,
//!   and they go on. Else nothing waits.
//! - Until all stored state is restored, nothing but the first switch happens.
//! - A trigger belongs to the first checkpoint that is saved after it fired.
//! - Clocks of epoch e are applied when all frontiers have passed e, so every record that bears on a timer
//!   was evaluated before it runs. The clock is the least of all partitions'.
//! - Records of a key that is out of memory wait until it is reloaded, others go on; a barrier waits until no
//!   key is being reloaded. Timers that the clock makes due reload their keys, and hold up nothing but
//!   barriers.
//! - Capabilities are held for waiting records and clocks, and for keys that are being reloaded. How much
//!   waits is bounded by how far sources read ahead.
//! - One call of [`Schedule::work`] does a bounded amount, so that the worker stays responsive.
//!
//! `records` evaluates what need not wait, `barriers` passes barriers, `clocks` applies clocks, `restoring`
//! takes in stored state.

mod barriers;
mod clocks;
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
        ids::{CheckpointNumber, Clocks},
        trigger::Fired,
    },
    state::Delta,
};

/// Records, calls and timers after which the worker lets other operators run.
const SLICE: u64 = 4_096;
/// Places looked at for keys that can leave memory, per record or key that came in.
const LOOKS: usize = 2;

/// How far the inputs of `evaluate` have come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Frontier of routed records.
    pub(super) routed: Frontier,
    /// Frontier of stored state.
    pub(super) stored: Frontier,
    /// The frontier of all inputs that is furthest behind.
    pub(super) slowest: Frontier,
}

/// Sends what evaluating emits; `C` are the capabilities of an epoch.
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
    announced: Option<u64>,
    /// Announced and not passed, with their epochs, ascending.
    barriers: VecDeque<(u64, Barrier)>,
    /// Records that are not evaluated.
    waiting: VecDeque<Waiting<C>>,
    /// Clocks that are not applied, by epoch.
    clocks: BTreeMap<u64, ClocksOf<C>>,
    /// Applied clocks.
    applied: Clocks,
    /// Until all stored state is restored.
    restoring: Option<Restoring>,
    /// Records and timers that wait for keys out of memory, if memory is bounded.
    reloads: Option<Reloads<C>>,
    emissions: Emissions,
    log: RestoreLog,
    gauge: EvaluateGauge,
}

impl<C: Clone> Schedule<C> {
    /// Schedule of `evaluator`, which has no keys yet.
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

    /// Takes a signal of worker 0.
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

    /// Does what may be done at this progress: records as far as they may go, then the barrier that held back
    /// the rest, and so on. True if there is more to do at once.
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
    fn next_barrier(&self) -> u64 {
        self.barriers.front().map_or(u64::MAX, |(at, _)| *at)
    }

    /// Lets keys leave memory, but not those that a correction waits for.
    fn evict(&mut self, looks: usize) {
        if !matches!(self.barriers.front(), Some((_, Barrier::Correct(_)))) {
            self.evaluator.evict(looks);
        }
    }

    /// Takes out the reasons why stored states could not be read and corrections could not be applied.
    pub(super) fn take_refused(&mut self) -> Vec<String> {
        self.log.take_refused()
    }

    /// Keys found in more than one partition, if there are more than at the last call.
    pub(super) fn take_split(&mut self) -> Option<Vec<SplitKeys>> {
        self.evaluator.take_split()
    }

    /// Figures at this instant.
    pub(super) fn gauge(&self) -> EvaluateGauge {
        let MemoryGauge { bytes, evicted, reloads } = self.evaluator.memory();
        EvaluateGauge {
            counts: self.evaluator.counts(),
            keys: self.evaluator.keys(),
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

/// Triggers on their way out, and into checkpoints if they are part of them.
struct Emissions {
    saver: Box<dyn Saver>,
    /// Triggers since the last checkpoint, if they are part of it.
    held: Vec<Fired>,
}

impl Emissions {
    /// Sends what was emitted, with the capabilities `at`.
    fn send<C>(&mut self, emitted: &mut Emitted, at: &C, output: &mut impl Output<C>) {
        let mut fired: Vec<Fired> = emitted.triggers.drain(..).map(Fired::from).collect();
        if self.saver.holds_triggers() {
            self.held.extend_from_slice(&fired);
        }
        output.send(&mut fired, emitted, at);
    }

    /// Saves changes of state as part of checkpoint `n`.
    fn save_state(&self, n: CheckpointNumber, delta: Delta) {
        self.saver.save(n, Part::State(delta));
    }

    /// Ends checkpoint `n`, with the triggers since the one before.
    fn end_checkpoint(&mut self, n: CheckpointNumber) {
        if !self.held.is_empty() {
            self.saver.save(n, Part::Triggers(std::mem::take(&mut self.held)));
        }
        self.saver.save(n, Part::End);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
