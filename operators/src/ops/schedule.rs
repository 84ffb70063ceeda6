//! When `evaluate` may do what.
//!
//! **Invariants**
//! - A record of epoch t is evaluated once `Epoch(t)` was heard here, so every switch up to t is known; the sender may
//!   have heard it sooner.
//! - A switch, checkpoint or correction at epoch s is a barrier: records of s and later wait, in their order, until the frontier of routed
//!   records has reached s; then the book changes, state is saved or corrected, and they go on. Else nothing waits.
//! - Until all stored state is taken in, nothing but the first switch happens. Of two stored texts of one state, that of the
//!   higher order counts, whenever they come.
//! - A trigger belongs to the first checkpoint that is saved after it fired.
//! - Clocks told at epoch e are applied when all frontiers have passed e, so every record that bears on a timer was
//!   evaluated before it runs. The clock is the least of all partitions'.
//! - Records of a key that is not in memory wait until it is read back, others go on; a barrier waits until no key is
//!   being read back. Timers that the clock makes due bring their keys back, and hold up nothing but barriers.
//! - Capabilities are held for waiting records and clocks, and for keys that are being read back. What waits is bounded by how far sources read ahead.
//! - One call of [`Schedule::work`] does a bounded amount, so that a worker shows that it is alive.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map},
    ops::RangeInclusive,
    sync::Arc,
};

use super::{
    evaluating::{Emitted, Evaluator, MemoryGauge, SplitKeys, StateNames, route_correction},
    judge::EvaluateCounts,
    reload::{Bounded, Reloads},
    route::owner,
    signal::{Barrier, Correction, Part, Saver, Shelf, Signal, Start, Stored},
};
use crate::{
    model::{
        ids::{BookGeneration, Clocks, IngestTime, PartitionId},
        routed::Routed,
        trigger::Fired,
    },
    state::delta::Change,
};

/// Records and calls after which the worker lets others work.
const SLICE: u64 = 4_096;
/// States saved in one go, and taken in when all have come.
const SAVED: usize = 8_192;
/// Least and most keys looked at per epoch for state that can go.
const SWEEP: RangeInclusive<usize> = 64..=2_000;
/// All keys are looked at within about so many epochs, if there are few enough.
const ROUND: usize = 1_000;

/// Places looked at for keys that can leave memory, per record or key that came in.
const LOOKS: usize = 2;

/// What an `evaluate` shows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvaluateGauge {
    /// What was counted.
    pub counts: EvaluateCounts,
    /// Keys remembered.
    pub keys: usize,
    /// Bytes of routed records that wait.
    pub waiting_bytes: usize,
    /// The applied clock, unix ms.
    pub clock: IngestTime,
    /// The partition that holds it back.
    pub held_back_by: Option<PartitionId>,
    /// Generation of the book in force.
    pub generation: BookGeneration,
    /// Epoch at which it took force.
    pub since_epoch: u64,
    /// States taken in from the last checkpoint.
    pub restored: u64,
    /// Stored states that could not be read.
    pub unreadable: u64,
    /// Whether stored state is still being taken in.
    pub restoring: bool,
    /// Bytes of keys and states in memory, about; 0 without a bound.
    pub state_bytes: usize,
    /// Keys out of memory.
    pub evicted_keys: usize,
    /// Keys read back into memory.
    pub reloads: u64,
    /// Records that wait for their keys to be read back.
    pub reload_waiting: usize,
}

struct Waiting<C> {
    epoch: u64,
    capability: C,
    batch: Routed,
    /// Records of it that are evaluated.
    done: usize,
}

/// Clocks told at an epoch.
struct Told<C> {
    capability: C,
    clocks: Vec<(PartitionId, IngestTime)>,
}

/// An evaluator and what waits for it; `C` is what allows to emit at an epoch.
pub(super) struct Schedule<C> {
    evaluator: Evaluator,
    shelf: Arc<dyn Shelf>,
    waiting: VecDeque<Waiting<C>>,
    told: BTreeMap<u64, Told<C>>,
    clocks: Clocks,
    barriers: VecDeque<(u64, Barrier)>,
    announced: Option<u64>,
    saver: Box<dyn Saver>,
    /// Which worker this is, and of how many.
    place: (usize, usize),
    restoring: Option<Restoring>,
    /// What waits for keys that are not in memory, if memory is bounded.
    reloads: Option<Reloads<C>>,
    /// Triggers since the last checkpoint, if they are part of it.
    held: Vec<Fired>,
    refused: Vec<String>,
    gauge: EvaluateGauge,
}

/// What is known while stored state comes in.
#[derive(Default)]
struct Restoring {
    start: Option<Arc<Start>>,
    /// Made once the first book is there.
    names: Option<StateNames>,
    /// What came before that.
    early: Vec<Stored>,
    /// State of checkpoints that are not folded yet.
    late: HashMap<StateOf, Ordered>,
    /// What is left of that, once all has come.
    ending: Option<hash_map::IntoIter<StateOf, Ordered>>,
}

/// A state's name, and the key.
type StateOf = (String, String);
/// A text with its order; `None` if the state is deleted.
type Ordered = (u64, Option<String>);

impl<C: Clone> Schedule<C> {
    /// `place` says which worker this is, and of how many.
    pub(super) fn new(
        mut evaluator: Evaluator,
        shelf: Arc<dyn Shelf>,
        saver: Box<dyn Saver>,
        place: (usize, usize),
    ) -> Self {
        if !saver.keeps_state() {
            evaluator.without_checkpoints();
        }
        Schedule {
            evaluator,
            shelf,
            saver,
            place,
            restoring: Some(Restoring::default()),
            reloads: None,
            held: Vec::new(),
            refused: Vec::new(),
            waiting: VecDeque::new(),
            told: BTreeMap::new(),
            clocks: Clocks::default(),
            barriers: VecDeque::new(),
            announced: None,
            gauge: EvaluateGauge { restoring: true, ..EvaluateGauge::default() },
        }
    }

    /// Bounds the memory of keys; to be called first.
    pub(super) fn bound(&mut self, bounded: Bounded) {
        self.evaluator.bound(bounded.bytes);
        self.reloads = Some(Reloads::new(bounded.loader));
    }

    /// A word of worker 0.
    pub(super) fn hear(&mut self, word: &Signal) {
        match (word, self.restoring.as_mut()) {
            (Signal::Epoch(epoch), _) => self.announced = Some(*epoch),
            (Signal::Start(start), Some(restoring)) => {
                restoring.start = Some(Arc::clone(start));
                self.evaluator.resume(start.checkpoint.unwrap_or_default());
            }
            (Signal::Folded(n), _) => self.evaluator.folded(*n),
            _ => self.barriers.extend(word.barrier()),
        }
    }

    /// Stored state has come.
    pub(super) fn restore(&mut self, stored: impl Iterator<Item = Stored>) {
        let Some(restoring) = self.restoring.as_mut() else { return };
        if restoring.names.is_none() {
            restoring.early.extend(stored);
            return;
        }
        let mut taken = 0;
        for stored in stored {
            taken += stored.states.len();
            take_in(&mut self.evaluator, restoring, &stored, &mut self.gauge, &mut self.refused);
        }
        self.evaluator.evict(LOOKS * taken);
    }

    /// All stored state has come, if `closed`: takes in the rest, so much in one call. False if there is more.
    fn end_restoring(&mut self, closed: bool) -> bool {
        let Some(restoring) = self.restoring.as_mut() else { return true };
        let Restoring { start: Some(start), names: Some(names), late, ending, .. } = restoring else {
            return true;
        };
        if !closed {
            return true;
        }
        let late = ending.get_or_insert_with(|| std::mem::take(late).into_iter());
        for ((name, key), (_, text)) in late.by_ref().take(SAVED) {
            let change = Change { name: &name, key: &key, text: text.as_deref() };
            let read = self.evaluator.restore_unfolded(names, &change);
            note_restored(read, &mut self.gauge, &mut self.refused);
        }
        if late.len() > 0 || !self.evaluator.settle(start.clock().0, SAVED) {
            return false;
        }
        self.restoring = None;
        self.gauge.restoring = false;
        true
    }

    /// What could not be done: stored state that can't be read, corrections that make no sense.
    pub(super) fn take_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refused)
    }

    /// Keys found in more than one partition, if there are more than at the last call.
    pub(super) fn take_split(&mut self) -> Option<Vec<SplitKeys>> {
        self.evaluator.take_split()
    }

    /// Routed records have come.
    pub(super) fn hold(&mut self, epoch: u64, capability: C, batch: Routed) {
        self.gauge.waiting_bytes += batch.bytes();
        self.waiting.push_back(Waiting { epoch, capability, batch, done: 0 });
    }

    /// Clocks have come.
    pub(super) fn tell(
        &mut self,
        epoch: u64,
        capability: impl FnOnce() -> C,
        clocks: &mut Vec<(PartitionId, IngestTime)>,
    ) {
        let told = || Told { capability: capability(), clocks: Vec::new() };
        self.told.entry(epoch).or_insert_with(told).clocks.append(clocks);
    }

    /// Does what may be done: `routed_reached(e)` says that no record before e can come any more, `all_passed(e)` that
    /// nothing of e can. True if there is more to do at once.
    pub(super) fn work(
        &mut self,
        routed_reached: &dyn Fn(u64) -> bool,
        all_passed: &dyn Fn(u64) -> bool,
        all_stored: bool,
        emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C),
    ) -> bool {
        let more = self.work_on(routed_reached, all_passed, all_stored, emit);
        if let Some(reloads) = &mut self.reloads {
            reloads.request();
        }
        more
    }

    /// Records as far as they may go, then the barrier that held back the rest, and so on.
    fn work_on(
        &mut self,
        routed_reached: &dyn Fn(u64) -> bool,
        all_passed: &dyn Fn(u64) -> bool,
        all_stored: bool,
        emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C),
    ) -> bool {
        loop {
            if !self.end_restoring(all_stored) {
                return true;
            }
            if self.restoring.is_none() && !(self.take_back(emit) && self.evaluate(emit)) {
                return true;
            }
            match self.pass(routed_reached) {
                Passed::Not => return self.restoring.is_none() && !self.apply_clocks(all_passed, emit),
                Passed::Partly => return true,
                Passed::Wholly => {}
            }
        }
    }

    /// Takes in keys that are read back, with all that waits for them. False if the slice was used up.
    fn take_back(&mut self, emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C)) -> bool {
        let Schedule { evaluator, reloads: Some(reloads), saver, held, refused, gauge, .. } = self else {
            return true;
        };
        let enough = evaluator.counts().work() + SLICE;
        let mut emitted = Emitted::default();
        for taken in 0..SLICE as usize {
            if evaluator.counts().work() >= enough {
                self.evict(LOOKS * taken);
                return false;
            }
            let Some((loaded, waiting)) = reloads.next() else {
                self.evict(LOOKS * taken);
                return true;
            };
            let before = refused.len();
            let id = evaluator.reload(&loaded, refused);
            gauge.unreadable += (refused.len() - before) as u64;
            for (record, capability) in waiting.records() {
                evaluator.record(&record, &mut emitted);
                give(&**saver, held, &mut emitted, capability, emit);
            }
            if let Some(capability) = waiting.due() {
                evaluator.catch_up(id, &mut emitted);
                give(&**saver, held, &mut emitted, capability, emit);
            }
        }
        false
    }

    /// Lets keys go that need not be in memory; but not those that a correction waits for.
    fn evict(&mut self, looks: usize) {
        if !matches!(self.barriers.front(), Some((_, Barrier::Correct(_)))) {
            self.evaluator.evict(looks);
        }
    }

    /// Evaluates what need not wait. False if the slice was used up.
    fn evaluate(&mut self, emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C)) -> bool {
        let barrier = self.barriers.front().map_or(u64::MAX, |(at, _)| *at);
        let enough = self.evaluator.counts().work() + SLICE;
        let mut emitted = Emitted::default();
        let (mut next, mut seen) = (0, 0);
        while let Some(first) = self.waiting.get_mut(next) {
            if self.announced.is_none_or(|a| first.epoch > a) || first.epoch >= barrier {
                next += 1;
                continue;
            }
            while first.done < first.batch.len() && self.evaluator.counts().work() < enough && seen < SLICE {
                // What does not hold together comes from no peer of ours; see `wire`.
                if let Some(record) = first.batch.get(first.done) {
                    match &mut self.reloads {
                        Some(reloads)
                            if self.evaluator.is_evicted(record.hash, record.key_group, record.key) =>
                        {
                            let at = (first.epoch, &first.capability);
                            reloads.hold(&record, at, |key| self.evaluator.wanted(key));
                        }
                        _ => self.evaluator.record(&record, &mut emitted),
                    }
                }
                first.done += 1;
                seen += 1;
            }
            give(&*self.saver, &mut self.held, &mut emitted, &first.capability, emit);
            if first.done < first.batch.len() {
                self.evict(LOOKS * seen as usize);
                return false;
            }
            self.gauge.waiting_bytes -= first.batch.bytes();
            self.waiting.remove(next);
        }
        self.evict(LOOKS * seen as usize);
        true
    }

    /// Does what the next barrier asks, if it is due.
    fn pass(&mut self, routed_reached: &dyn Fn(u64) -> bool) -> Passed {
        let Some((at, barrier)) = self.barriers.front() else { return Passed::Not };
        let at = *at;
        if self.announced.is_none_or(|a| a < at) || !routed_reached(at) {
            return Passed::Not;
        }
        if self.reloads.as_ref().is_some_and(|reloads| !reloads.is_empty()) {
            return Passed::Not;
        }
        match barrier {
            // What is stored is read by the names of the first book.
            Barrier::Switch { .. } if self.restoring.as_ref().is_some_and(|r| r.names.is_some()) => {
                return Passed::Not;
            }
            Barrier::Switch { generation } => {
                let generation = *generation;
                let Some(applied) = self.shelf.applied(generation) else { return Passed::Not };
                self.evaluator.install(Arc::clone(&applied.book));
                (self.gauge.generation, self.gauge.since_epoch) = (generation, at);
                if let Some(restoring) = self.restoring.as_mut()
                    && restoring.names.is_none()
                {
                    restoring.names = Some(StateNames::of(&applied.book));
                    let early = std::mem::take(&mut restoring.early);
                    self.restore(early.into_iter());
                }
            }
            _ if self.restoring.is_some() => return Passed::Not,
            Barrier::Checkpoint { n } => {
                let n = *n;
                if self.evaluator.has_unsaved() {
                    self.saver.save(n, Part::State(self.evaluator.save(SAVED)));
                    return Passed::Partly;
                }
                if !self.held.is_empty() {
                    self.saver.save(n, Part::Triggers(std::mem::take(&mut self.held)));
                }
                self.saver.save(n, Part::End);
                self.evaluator.saved(n);
            }
            Barrier::Correct(corrections) => {
                let corrections = Arc::clone(corrections);
                if self.awaits(&corrections) {
                    return Passed::Not;
                }
                corrections.iter().for_each(|correction| self.correct(correction));
            }
        }
        self.barriers.pop_front();
        Passed::Wholly
    }

    /// Has keys read back that corrections are of. Whether there are any.
    fn awaits(&mut self, corrections: &[Correction]) -> bool {
        let Schedule { evaluator, reloads: Some(reloads), .. } = self else { return false };
        let mut awaits = false;
        for c in corrections {
            if let Some(key) = evaluator.awaits(&c.rule_id, &c.condition, &c.key) {
                awaits = true;
                reloads.want(key, |key| evaluator.wanted(key));
            }
        }
        awaits
    }

    /// Corrects a state, if its key is this worker's. What makes no sense is refused by the first worker alone.
    fn correct(&mut self, c: &Correction) {
        let (me, peers) = self.place;
        let text = c.text.as_deref();
        let done = match route_correction(self.evaluator.book(), &c.rule_id, &c.condition, &c.key, text) {
            Ok(hash) if owner(hash, peers) == me => {
                self.evaluator.correct(&c.rule_id, &c.condition, &c.key, text)
            }
            Err(reason) if me == 0 => Err(reason),
            Ok(_) | Err(_) => Ok(()),
        };
        if let Err(reason) = done {
            self.refused.push(format!("a correction by {}: {reason}", c.by));
        }
    }

    /// Applies the clocks of epochs that have passed, and runs the timers they make due. False if some are left.
    fn apply_clocks(
        &mut self,
        all_passed: &dyn Fn(u64) -> bool,
        emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C),
    ) -> bool {
        let barrier = self.barriers.front().map_or(u64::MAX, |(at, _)| *at);
        while let Some(mut entry) = self.told.first_entry() {
            let epoch = *entry.key();
            // A barrier that waits for keys holds back the timers behind it, as it does records.
            if epoch >= barrier || !all_passed(epoch) || self.waiting.iter().any(|w| w.epoch <= epoch) {
                break;
            }
            let Told { capability, clocks } = entry.get_mut();
            for (partition, clock) in clocks.drain(..) {
                self.clocks.advance(partition, clock);
            }
            if let Some((partition, clock)) = self.clocks.least() {
                (self.gauge.clock, self.gauge.held_back_by) = (clock, Some(partition));
                let mut emitted = Emitted::default();
                let done = self.evaluator.advance(clock.0, SLICE, &mut emitted);
                give(&*self.saver, &mut self.held, &mut emitted, capability, emit);
                let Schedule { evaluator, reloads, .. } = self;
                let mut due = Vec::new();
                let room = reloads.as_ref().map_or(usize::MAX, Reloads::room);
                let woken = evaluator.wake(clock.0, room, &mut due);
                if let Some(reloads) = reloads {
                    due.into_iter()
                        .for_each(|key| reloads.wake(key, capability, |key| evaluator.wanted(key)));
                }
                if !done {
                    return false;
                }
                if !woken {
                    // There is more when some of them are back.
                    return true;
                }
            }
            entry.remove();
            self.evaluator.sweep((self.evaluator.keys() / ROUND).clamp(*SWEEP.start(), *SWEEP.end()));
            self.evict(*SWEEP.end());
        }
        true
    }

    /// What it shows of itself.
    pub(super) fn gauge(&self) -> EvaluateGauge {
        let MemoryGauge { bytes, evicted, reloads } = self.evaluator.memory();
        EvaluateGauge {
            counts: self.evaluator.counts(),
            keys: self.evaluator.keys(),
            state_bytes: bytes,
            evicted_keys: evicted,
            reloads,
            reload_waiting: self.reloads.as_ref().map_or(0, Reloads::records),
            ..self.gauge
        }
    }
}

/// How far a barrier was passed.
enum Passed {
    /// It is not due, or there is none.
    Not,
    /// There is more to do.
    Partly,
    /// It is done.
    Wholly,
}

/// Hands out what was emitted; triggers are held for the checkpoint too, if it is to have them.
fn give<C>(
    saver: &dyn Saver,
    held: &mut Vec<Fired>,
    emitted: &mut Emitted,
    capability: &C,
    emit: &mut dyn FnMut(&mut Vec<Fired>, &mut Emitted, &C),
) {
    let mut fired: Vec<Fired> = emitted.triggers.drain(..).map(Fired::from).collect();
    if saver.holds_triggers() {
        held.extend_from_slice(&fired);
    }
    emit(&mut fired, emitted, capability);
}

fn take_in(
    evaluator: &mut Evaluator,
    restoring: &mut Restoring,
    stored: &Stored,
    gauge: &mut EvaluateGauge,
    refused: &mut Vec<String>,
) {
    let Restoring { names: Some(names), late, .. } = restoring else { return };
    for change in stored.states.changes() {
        if stored.order == 0 {
            note_restored(evaluator.restore(names, &change), gauge, refused);
            continue;
        }
        let known = late.entry((change.name.to_owned(), change.key.to_owned())).or_default();
        if known.0 <= stored.order {
            *known = (stored.order, change.text.map(str::to_owned));
        }
    }
}

fn note_restored(read: Result<(), String>, gauge: &mut EvaluateGauge, refused: &mut Vec<String>) {
    gauge.restored += 1;
    if let Err(reason) = read {
        gauge.unreadable += 1;
        refused.push(reason);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
