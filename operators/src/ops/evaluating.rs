//! Keyed evaluation of one worker: state of every key, its timers, and the resulting triggers.
//!
//! Two inputs drive it, both as data: routed records, in order of arrival, and the ingest clock. Timers of a
//! key with a deadline below the `now` of its next event run before that event, even if the clock itself has
//! not passed them: so the outcome depends on the events alone.
//!
//! - [`judge`](super::judge) decides about one rule, key and occurrence
//! - `timers` runs timers by the clock, `sweep` drops state that is no longer needed
//! - `applying` applies an event to the rules that it concerns, by `folds`, which is laid out for it;
//!   `judging` judges rules while it is folded; `duplicates` leaves out messages sent twice; `changing` changes a state in its place; `scratch` is memory
//!   reused between records
//! - `names` gives stored states their names
//! - `saving` returns changes for checkpoints, `restoring` reads them back, `correcting` applies edits by
//!   people
//! - `eviction` bounds memory, `split` finds keys in several partitions, `figures` shows conditions' outputs

mod applying;
mod changing;
mod correcting;
mod duplicates;
mod eviction;
mod figures;
mod folds;
mod judging;
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

use smallvec::SmallVec;

use self::{
    applying::Application, eviction::Memory, folds::Folds, saving::Unsaved, scratch::Scratch, split::Split,
};
pub use self::{
    correcting::route_correction, eviction::MemoryGauge, figures::Figures, names::StateNames,
    split::SplitKeys,
};
use super::{emitted::Emitted, gauge::EvaluateCounts, judge::RuleEvent};
use crate::{
    calculator::Runner,
    document::span::Span,
    model::{
        decode::EventFormat,
        routed::{Routed, RoutedRecord},
    },
    processor::{self, Work},
    rule::book::RuleBook,
    state::{RuleParts, Store},
};

/// Upper bound of the time by which an event may lie ahead of `now`, ms; one further ahead counts as `now`.
pub const MAX_AHEAD: i64 = 5 * 60_000;

/// Most words of a key's state that are fetched ahead.
const FETCHED: usize = 1_024;

/// Most values of a record for which evaluating it needs no allocation.
const FEW: usize = 8;

/// Keyed state and the interpreters that work on it; one per worker.
#[derive(Debug)]
pub struct Evaluator {
    book: Arc<RuleBook>,
    store: Store,
    /// Parts of states, by rule of the book.
    parts: Vec<RuleParts>,
    /// Folds of the book.
    folds: Folds,
    /// Interpreters by rule of the book and condition.
    runners: Vec<Vec<Option<Runner>>>,
    /// Highest clock applied, unix ms.
    clock: i64,
    /// How long messages are remembered, ms.
    dedupe_for: i64,
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
            folds: Folds::default(),
            runners: Vec::new(),
            clock: i64::MIN,
            dedupe_for: EventFormat::default().dedupe_for.0,
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

    /// Remembers messages for `span`, to recognize them when they are sent again.
    #[must_use]
    pub fn remembering(self, span: Span) -> Self {
        Evaluator { dedupe_for: span.0, ..self }
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
        self.folds = Folds::new(&book, &self.parts);
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
    pub fn prefetch(&self, batch: &Routed, next: usize) {
        processor::run(Lookahead { evaluator: self, batch, next });
    }

    /// Evaluates a routed record that was routed under the same book. Its key must not be
    /// [evicted](Self::is_evicted).
    pub fn record(&mut self, record: &RoutedRecord<'_>, out: &mut Emitted) {
        processor::run(Evaluation { evaluator: self, record, out });
    }

    #[inline(always)]
    fn evaluate(&mut self, record: &RoutedRecord<'_>, out: &mut Emitted) {
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
        let values: SmallVec<[_; FEW]> = record.values().collect();
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
            has_nested: record.encoded.has_nested(),
        };
        let message = record.message.map(|message| (message, self.dedupe_for));
        let Evaluator { book, store, unsaved, parts, folds, runners, counts, scratch, .. } = self;
        let Scratch { positions, ascending, targets: judged, .. } = scratch;
        ascending.sort(folds.positions(record.targets), folds.targets.len(), positions);
        let event = &event;
        let mut application = Application { book, folds, parts, runners, event, judged, counts, out };
        let mut open = store.open(id);
        let soonest = match message {
            None => application.apply(&mut open, positions),
            Some(message) => {
                let before = application.drop_seen(&mut open, message, positions);
                let applied = application.apply(&mut open, positions);
                before.min(applied).min(application.remember(&mut open, message, positions))
            }
        };
        if open.close() {
            unsaved.changed(id, store.block_mut(id));
        }
        store.file_sooner(id, soonest);
    }
}

/// Look at later records of a batch.
struct Lookahead<'e> {
    evaluator: &'e Evaluator,
    batch: &'e Routed,
    /// Position of the record that is evaluated next.
    next: usize,
}

impl Work for Lookahead<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Lookahead { evaluator: Evaluator { store, .. }, batch, next } = self;
        let row = |ahead: usize| batch.rows.get(next + ahead);
        row(11).into_iter().for_each(|row| store.prefetch_slot(row.hash));
        row(8).into_iter().for_each(|row| store.prefetch_block(row.hash));
        row(5).into_iter().for_each(|row| store.prefetch_piece(row.hash, FETCHED));
    }
}

/// Evaluation of a record.
struct Evaluation<'e> {
    evaluator: &'e mut Evaluator,
    record: &'e RoutedRecord<'e>,
    out: &'e mut Emitted,
}

impl Work for Evaluation<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.evaluator.evaluate(self.record, self.out);
    }
}
