//! When `evaluate` may do what.
//!
//! **Invariants**
//! - A record of epoch t is evaluated once `Epoch(t)` was heard here, so every switch up to t is known; the sender may
//!   have heard it sooner.
//! - A switch at epoch s is a barrier: records of s and later wait, in their order, until the frontier of routed records
//!   has reached s; then the book changes and they go on. Else nothing waits.
//! - Clocks told at epoch e are applied when all frontiers have passed e, so every record that bears on a timer was
//!   evaluated before it runs. The clock is the least of all partitions'.
//! - Capabilities are held for waiting records and clocks only. What waits is bounded by how far sources read ahead.
//! - One call of [`Schedule::work`] does a bounded amount, so that a worker shows that it is alive.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use super::{
    evaluating::{Emitted, Evaluator},
    judge::EvaluateCounts,
    signal::{Shelf, Signal, Switch},
};
use crate::model::routed::Routed;

/// Records and calls after which the worker lets others work.
const SLICE: u64 = 4_096;
/// Keys looked at per epoch for state that can go.
const SWEEP: usize = 2_000;

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
    pub clock: i64,
    /// The partition that holds it back.
    pub held_back_by: Option<u32>,
    /// Generation of the book in force.
    pub generation: u64,
    /// Epoch at which it took force.
    pub since_epoch: u64,
}

struct Waiting<C> {
    epoch: u64,
    capability: C,
    batch: Routed,
    /// Records of it that are evaluated.
    done: usize,
}

/// Clocks told at an epoch: partition and clock.
type Told<C> = (C, Vec<(u32, i64)>);

/// An evaluator and what waits for it; `C` is what allows to emit at an epoch.
pub(super) struct Schedule<C> {
    evaluator: Evaluator,
    shelf: Arc<dyn Shelf>,
    waiting: VecDeque<Waiting<C>>,
    told: BTreeMap<u64, Told<C>>,
    partitions: HashMap<u32, i64>,
    switches: VecDeque<Switch>,
    announced: Option<u64>,
    gauge: EvaluateGauge,
}

impl<C> Schedule<C> {
    pub(super) fn new(evaluator: Evaluator, shelf: Arc<dyn Shelf>) -> Self {
        Schedule {
            evaluator,
            shelf,
            waiting: VecDeque::new(),
            told: BTreeMap::new(),
            partitions: HashMap::new(),
            switches: VecDeque::new(),
            announced: None,
            gauge: EvaluateGauge::default(),
        }
    }

    /// A word of worker 0.
    pub(super) fn hear(&mut self, word: &Signal) {
        match *word {
            Signal::Epoch(epoch) => self.announced = Some(epoch),
            Signal::Switch { generation, at } => self.switches.push_back(Switch { generation, at }),
            Signal::Prepare(_) => {}
        }
    }

    /// Routed records have come.
    pub(super) fn hold(&mut self, epoch: u64, capability: C, batch: Routed) {
        self.gauge.waiting_bytes += batch.bytes();
        self.waiting.push_back(Waiting { epoch, capability, batch, done: 0 });
    }

    /// Clocks have come.
    pub(super) fn tell(&mut self, epoch: u64, capability: impl FnOnce() -> C, clocks: &mut Vec<(u32, i64)>) {
        self.told.entry(epoch).or_insert_with(|| (capability(), Vec::new())).1.append(clocks);
    }

    /// Does what may be done: `routed_reached(e)` says that no record before e can come any more, `all_passed(e)` that
    /// nothing of e can. True if there is more to do at once.
    pub(super) fn work(
        &mut self,
        routed_reached: &dyn Fn(u64) -> bool,
        all_passed: &dyn Fn(u64) -> bool,
        emit: &mut dyn FnMut(&mut Emitted, &C),
    ) -> bool {
        // Records as far as they may go, then the switch that held back the rest, and so on.
        loop {
            if !self.evaluate(emit) {
                return true;
            }
            if !self.switch(routed_reached) {
                return !self.apply_clocks(all_passed, emit);
            }
        }
    }

    /// Evaluates what need not wait. False if the slice was used up.
    fn evaluate(&mut self, emit: &mut dyn FnMut(&mut Emitted, &C)) -> bool {
        let barrier = self.switches.front().map_or(u64::MAX, |s| s.at);
        let enough = self.evaluator.counts().work() + SLICE;
        let mut emitted = Emitted::default();
        let mut next = 0;
        while let Some(first) = self.waiting.get_mut(next) {
            if self.announced.is_none_or(|a| first.epoch > a) || first.epoch >= barrier {
                next += 1;
                continue;
            }
            while first.done < first.batch.len() && self.evaluator.counts().work() < enough {
                // What does not hold together comes from no peer of ours; see `wire`.
                if let Some(record) = first.batch.get(first.done) {
                    self.evaluator.record(&record, &mut emitted);
                }
                first.done += 1;
            }
            emit(&mut emitted, &first.capability);
            if first.done < first.batch.len() {
                return false;
            }
            self.gauge.waiting_bytes -= first.batch.bytes();
            self.waiting.remove(next);
        }
        true
    }

    /// Changes the book if a switch is due. False if none is.
    fn switch(&mut self, routed_reached: &dyn Fn(u64) -> bool) -> bool {
        let Some(Switch { generation, at }) = self.switches.front().copied() else { return false };
        let reached = self.announced.is_some_and(|a| a >= at) && routed_reached(at);
        let Some(applied) = self.shelf.applied(generation).filter(|_| reached) else { return false };
        self.evaluator.install(Arc::clone(&applied.book));
        (self.gauge.generation, self.gauge.since_epoch) = (generation, at);
        self.switches.pop_front();
        true
    }

    /// Applies the clocks of epochs that have passed, and runs the timers they make due. False if some are left.
    fn apply_clocks(
        &mut self,
        all_passed: &dyn Fn(u64) -> bool,
        emit: &mut dyn FnMut(&mut Emitted, &C),
    ) -> bool {
        while let Some(mut entry) = self.told.first_entry() {
            let epoch = *entry.key();
            if !all_passed(epoch) || self.waiting.iter().any(|w| w.epoch <= epoch) {
                break;
            }
            let (capability, clocks) = entry.get_mut();
            for (partition, clock) in clocks.drain(..) {
                let known = self.partitions.entry(partition).or_insert(i64::MIN);
                *known = (*known).max(clock);
            }
            if let Some((partition, clock)) = self.partitions.iter().min_by_key(|(_, c)| **c) {
                (self.gauge.clock, self.gauge.held_back_by) = (*clock, Some(*partition));
                let mut emitted = Emitted::default();
                let done = self.evaluator.advance(*clock, SLICE, &mut emitted);
                emit(&mut emitted, capability);
                if !done {
                    return false;
                }
            }
            entry.remove();
            self.evaluator.sweep(SWEEP);
        }
        true
    }

    /// What it shows of itself.
    pub(super) fn gauge(&self) -> EvaluateGauge {
        EvaluateGauge { counts: self.evaluator.counts(), keys: self.evaluator.keys(), ..self.gauge }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        model::{key, routed::RoutedRecord},
        rule::book::{Applied, Catalog, ChangeSet, Published, RuleChange},
    };

    struct Books(BTreeMap<u64, Arc<Applied>>);

    impl Shelf for Books {
        fn applied(&self, generation: u64) -> Option<Arc<Applied>> {
            self.0.get(&generation).cloned()
        }
    }

    /// Two books: every `T` of version 1 fires, then of version 2.
    fn schedule() -> Schedule<u64> {
        let mut catalog = Catalog::default();
        let empty = catalog.book();
        let document = r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#;
        let mut set = |generation: u64| {
            let published = Published {
                rule_id: "r".into(),
                version: generation,
                document: document.into(),
                crowd: None,
                publish: 0,
                paused: false,
                scripts: BTreeMap::new(),
            };
            let changes = vec![RuleChange::Put(Box::new(published))];
            (generation, Arc::new(catalog.apply(&ChangeSet { generation, changes })))
        };
        let books = [set(1), set(2)].into_iter().collect();
        Schedule::new(Evaluator::new(empty), Arc::new(Books(books)))
    }

    fn record(schedule: &mut Schedule<u64>, epoch: u64, offset: u64) {
        let mut batch = Routed::default();
        let head = RoutedRecord::head(key::route(0, "1"), 0, offset, Some(1), 1, 1, 0, 0, &[0], "1", "T");
        batch.push(&head, std::iter::empty());
        schedule.hold(epoch, epoch, batch);
    }

    /// Works with the frontier of everything at `frontier`; gives offset and version of what fired.
    fn work(schedule: &mut Schedule<u64>, frontier: u64) -> Vec<(u64, u64)> {
        let mut fired = Vec::new();
        schedule.work(&|e| frontier >= e, &|e| frontier > e, &mut |emitted, _| {
            fired.extend(emitted.triggers.drain(..).map(|t| (t.cause.unwrap().offset, t.version)));
        });
        fired
    }

    #[test]
    fn a_switch_is_a_barrier_for_its_epoch_and_later() {
        let mut schedule = schedule();
        schedule.hear(&Signal::Switch { generation: 1, at: 1 });
        schedule.hear(&Signal::Epoch(1));
        assert_eq!(work(&mut schedule, 1), []);
        schedule.hear(&Signal::Switch { generation: 2, at: 3 });
        schedule.hear(&Signal::Epoch(2));
        schedule.hear(&Signal::Epoch(3));
        record(&mut schedule, 3, 10);
        record(&mut schedule, 2, 11);
        assert_eq!(work(&mut schedule, 2), [(11, 1)], "what lies before the barrier does not wait");
        record(&mut schedule, 2, 12);
        assert_eq!(
            work(&mut schedule, 3),
            [(12, 1), (10, 2)],
            "all before it, then the switch, then the rest"
        );
    }

    #[test]
    fn a_record_waits_for_its_own_epoch_to_be_announced() {
        let mut schedule = schedule();
        schedule.hear(&Signal::Switch { generation: 1, at: 1 });
        schedule.hear(&Signal::Epoch(1));
        record(&mut schedule, 2, 10);
        assert_eq!(work(&mut schedule, 2), []);
        schedule.hear(&Signal::Epoch(2));
        assert_eq!(work(&mut schedule, 2), [(10, 1)]);
    }

    #[test]
    fn clocks_wait_for_all_partitions_and_their_epoch() {
        let mut schedule = schedule();
        schedule.hear(&Signal::Epoch(1));
        schedule.tell(1, || 1, &mut vec![(0, 500), (1, i64::MIN)]);
        work(&mut schedule, 1);
        assert_eq!(schedule.gauge().held_back_by, None, "epoch 1 has not passed");
        work(&mut schedule, 2);
        assert_eq!((schedule.gauge().clock, schedule.gauge().held_back_by), (i64::MIN, Some(1)));
        schedule.tell(2, || 2, &mut vec![(1, 700)]);
        work(&mut schedule, 3);
        assert_eq!((schedule.gauge().clock, schedule.gauge().held_back_by), (500, Some(0)));
    }

    #[test]
    fn long_work_is_done_in_slices() {
        let mut schedule = schedule();
        schedule.hear(&Signal::Switch { generation: 1, at: 1 });
        schedule.hear(&Signal::Epoch(1));
        (0..3 * SLICE).for_each(|offset| record(&mut schedule, 1, offset));
        let mut calls = 1;
        while schedule.work(&|_| true, &|_| false, &mut |_, _| {}) {
            calls += 1;
        }
        assert_eq!((calls, schedule.gauge().counts.records), (3, 3 * SLICE));
    }
}
