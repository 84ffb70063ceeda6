//! Keyed evaluation of one worker: state of every key, its timers, and the resulting triggers.
//!
//! Two inputs drive it, both as data: routed records, in order of arrival, and the ingest clock. Timers of a
//! key with a deadline below the `now` of its next event run before that event, even if the clock itself has
//! not passed them: so the outcome depends on the events alone.
//!
//! - [`judge`](super::judge) decides about one rule, key and occurrence
//! - `timers` runs timers by the clock, `sweep` drops state that is no longer needed
//! - `folds` is laid out for the loop over a record's targets, `changing` changes a state in its place,
//!   `scratch` is memory reused between records
//! - `names` gives stored states their names
//! - `saving` returns changes for checkpoints, `restoring` reads them back, `correcting` applies edits by
//!   people
//! - `eviction` bounds memory, `split` finds keys in several partitions, `figures` shows conditions' outputs

mod changing;
mod correcting;
mod eviction;
mod figures;
mod folds;
mod names;
mod restoring;
mod saving;
#[cfg(test)]
mod saving_tests;
#[cfg(test)]
mod scene;
mod scratch;
mod split;
mod sweep;
#[cfg(test)]
mod timer_tests;
mod timers;

use std::sync::Arc;

use self::{
    changing::change,
    eviction::Memory,
    folds::{Fold, folds},
    saving::Unsaved,
    scratch::{Scratch, emptied},
    split::Split,
};
pub use self::{
    correcting::route_correction, eviction::MemoryGauge, figures::Figures, names::StateNames,
    split::SplitKeys,
};
use super::{
    emitted::Emitted,
    gauge::EvaluateCounts,
    judge::{Judge, RuleEvent, Workings},
};
use crate::{
    calculator::{CallError, FoldInput, Runner},
    model::routed::{Routed, RoutedRecord},
    rule::{
        book::{RuleBook, Target},
        plan::RulePlan,
    },
    state::{OpenKey, RuleParts, Store, store::Ahead},
};

/// Upper bound of the time by which an event may lie ahead of `now`, ms; one further ahead counts as `now`.
pub const MAX_AHEAD: i64 = 5 * 60_000;

/// Keyed state and the interpreters that work on it; one per worker.
#[derive(Debug)]
pub struct Evaluator {
    book: Arc<RuleBook>,
    store: Store,
    /// Parts of states, by rule of the book.
    parts: Vec<RuleParts>,
    /// Fold of each filter of the book.
    folds: Vec<Fold>,
    /// Interpreters by rule of the book and condition.
    runners: Vec<Vec<Option<Runner>>>,
    /// Highest clock applied, unix ms.
    clock: i64,
    counts: EvaluateCounts,
    /// Changes since the last checkpoint.
    unsaved: Unsaved,
    /// Number of places for keys whose restoring is finished.
    restored_places: usize,
    /// Bound of memory, and evicted keys.
    memory: Memory,
    /// Keys found in several partitions.
    split: Split,
    scratch: Scratch,
}

impl Evaluator {
    /// Makes an evaluator without keys, under `book`.
    pub fn new(book: Arc<RuleBook>) -> Self {
        let mut evaluator = Evaluator {
            book: Arc::clone(&book),
            store: Store::default(),
            parts: Vec::new(),
            folds: Vec::new(),
            runners: Vec::new(),
            clock: i64::MIN,
            counts: EvaluateCounts::default(),
            unsaved: Unsaved::default(),
            restored_places: 0,
            memory: Memory::default(),
            split: Split::default(),
            scratch: Scratch::default(),
        };
        evaluator.store.record(true);
        evaluator.install(book);
        evaluator
    }

    /// Switches to `book`. State of rules that have left it is [swept](Self::sweep) out gradually.
    pub fn install(&mut self, book: Arc<RuleBook>) {
        let mut former: Vec<_> = std::mem::take(&mut self.runners).into_iter().map(Some).collect();
        for (plan, group) in book.rules.iter().zip(&book.rule_key) {
            let before = self.book.at_slot(plan.slot);
            let same = |i: &usize| Arc::ptr_eq(&self.book.rules[*i], plan);
            let kept = before.filter(same).and_then(|i| former.get_mut(i)?.take());
            self.runners.push(kept.unwrap_or_else(|| plan.conditions.iter().map(|_| None).collect()));
            if let Some(publish) = before.map(|i| self.book.rules[i].publish).filter(|p| *p > plan.publish) {
                // Keys to be judged at publish have a timer at the former instant of publish at the latest.
                self.store.hasten(*group, publish - 1, plan.publish - 1);
                self.memory.hasten(*group, publish - 1, plan.publish - 1);
            }
        }
        self.memory.install(&book);
        self.parts = self.store.install(&book);
        self.folds = folds(&book, &self.parts);
        self.book = book;
    }

    /// The book in force.
    pub fn book(&self) -> &RuleBook {
        &self.book
    }

    /// Counts since the start.
    pub fn counts(&self) -> EvaluateCounts {
        self.counts
    }

    /// Number of keys in memory.
    pub fn keys(&self) -> usize {
        self.store.len()
    }

    /// Number of conditions of which keys in memory have a state.
    pub fn conditions(&self) -> usize {
        self.store.conditions()
    }

    /// Fetches what evaluating later records of a batch needs ahead of its use, while the record at `next` is
    /// evaluated. Has no effect but on time.
    #[inline]
    pub fn prefetch(&self, batch: &Routed, next: usize) {
        for (ahead, records) in [(Ahead::Table, 9), (Ahead::Block, 6), (Ahead::Piece, 3)] {
            if let Some(row) = batch.rows.get(next + records) {
                self.store.prefetch(ahead, row.hash);
            }
        }
    }

    /// Evaluates a routed record that was routed under the same book. Its key must not be
    /// [evicted](Self::is_evicted).
    pub fn record(&mut self, record: &RoutedRecord<'_>, out: &mut Emitted) {
        self.counts.records += 1;
        let id = self.store.entry(record.hash, record.key_group, record.key);
        let block = self.store.block_mut(id);
        let now = block.advance(record.now);
        if let Some(first) = block.see_partition(record.partition) {
            self.split.note(&self.book, record, first);
        }
        if block.next_deadline() < now {
            self.run_key(id, now, out);
        }
        let mut targets = std::mem::take(&mut self.scratch.targets);
        let mut values = emptied(std::mem::take(&mut self.scratch.values));
        values.extend(record.values());
        let event = RuleEvent {
            now,
            time: if record.time > now + MAX_AHEAD { now } else { record.time },
            event_time: record.time,
            seen: record.seen,
            partition: record.partition,
            offset: record.offset,
            guid: record.guid,
            event_id: record.event_id,
            values: &values,
        };
        let book = Arc::clone(&self.book);
        let Evaluator { store, unsaved, parts, folds, runners, counts, .. } = self;
        let rule_of = |target: u32| folds.get(target as usize).map(|fold| fold.target.rule());
        let (changed, soonest) = store.open(id, |open| {
            let mut soonest = i64::MAX;
            for chunk in record.targets.chunk_by(|a, b| rule_of(*a) == rule_of(*b)) {
                let Some(rule) = rule_of(chunk[0]) else { continue };
                let mark = open.mark();
                let rest = fold_plain(open, (folds, chunk), &event, (&book, counts, out));
                if rest.is_empty() {
                    continue;
                }
                targets.clear();
                targets.extend(rest.iter().filter_map(|t| book.targets.get(*t as usize)));
                let at = Place { plan: &book.rules[rule], parts: &parts[rule], mark };
                let workings = Workings { runners: &mut runners[rule], counts, out };
                soonest = soonest.min(at.event(open, &targets, &event, workings));
            }
            (open.is_changed(), soonest)
        });
        if changed {
            unsaved.changed(id, store.block_mut(id));
        }
        store.file_sooner(id, soonest);
        (self.scratch.values, self.scratch.targets) = (emptied(values), targets);
    }
}

/// Folds an event into plain conditions, up to the first target that is none; returns the targets from that
/// one on. All targets are of one rule.
fn fold_plain<'t>(
    open: &mut OpenKey<'_>,
    (folds, targets): (&[Fold], &'t [u32]),
    event: &RuleEvent<'_>,
    (book, counts, out): (&RuleBook, &mut EvaluateCounts, &mut Emitted),
) -> &'t [u32] {
    let mut used_up = None;
    for (i, target) in targets.iter().enumerate() {
        let Some(Fold { target, plain: Some(fold) }) = folds.get(*target as usize) else {
            return &targets[i..];
        };
        if used_up == Some(fold.part) || !fold.window.folds(event.time, event.now, fold.steps) {
            continue;
        }
        let Target::Condition { step, .. } = *target else { continue };
        let input = FoldInput { time: event.time, now: event.now, step: step.into() };
        let value = |input: usize| {
            let own = (*fold.inputs.get(input)?)?;
            event.values.iter().find(|(field, _)| *field == own).map(|(_, value)| value)
        };
        let mut fields = open.fields_mut(fold.part, fold.program.shape());
        match fold.program.fold(&mut fields, input, value) {
            Some(Ok(used)) => {
                counts.folded += 1;
                used_up = used.then_some(fold.part);
            }
            Some(Err(CallError::NotFolded(_))) => counts.not_folded += 1,
            Some(Err(CallError::Failed(error))) => {
                let (plan, condition) = book.condition(*target);
                counts.failed += 1;
                out.fail(plan.id(), format!("{condition}: {error}"));
            }
            None => {}
        }
    }
    &[]
}

/// A rule, and where a key's piece has its state.
struct Place<'p> {
    plan: &'p RulePlan,
    parts: &'p RuleParts,
    /// Position aside of what this record has made of the rule.
    mark: usize,
}

impl Place<'_> {
    /// Judges an event by the rule for one key; `targets` are those of the rule that are not folded yet.
    /// Returns the instant of the key's next timer for the rule, unix ms.
    fn event(
        &self,
        open: &mut OpenKey<'_>,
        targets: &[Target],
        event: &RuleEvent<'_>,
        workings: Workings<'_>,
    ) -> i64 {
        let plan = self.plan;
        if !plan.active(event.now) {
            return i64::MAX;
        }
        if plan.spec.late.is_some_and(|late| event.now - event.time > late.0) {
            workings.counts.late += 1;
            return i64::MAX;
        }
        let key = open.key();
        if !plan.rule_level && plan.skipped.is_empty() {
            // Neither pause, time of touch, timer nor edge: what is folded is all there is to it.
            let state = open.rule_since(self.parts, self.mark);
            Judge::new(plan, key, state, workings).event(targets, event);
            return i64::MAX;
        }
        change(open, plan, self.parts, event.now, |key, state| {
            Judge::new(plan, key, state, workings).event(targets, event);
        })
    }
}
