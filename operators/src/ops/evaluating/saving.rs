//! Saving: changes since the last checkpoint, as a [`Delta`].
//!
//! **Invariants**
//! - A key with a dirty state is listed as changed, and the state is clean once it is saved. So the cost of
//!   saving depends on the number of changes, not on the size of the state.
//! - However long no checkpoint is taken, a place for keys is listed once, and a removal once for each state
//!   that checkpoints contain. States that came and went between two checkpoints are not listed; nothing is
//!   listed if no checkpoints will be taken.
//! - Removals come before changes in a checkpoint: a state that was removed and exists again is kept.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Evaluator, names::part_name};
use crate::{
    model::ids::CheckpointNumber,
    rule::{book::RuleBook, plan::RulePlan},
    state::{Delta, KeyBlock, KeyId, RuleState, entry, text},
};

/// Size of a delta, bytes, from which on it takes no more keys.
const ENOUGH: usize = 8 << 20;

/// Changes since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Keys with changed states: those whose blocks are `listed`. A place may have been reused for another
    /// key meanwhile.
    changed: Vec<KeyId>,
    /// States that were dropped and that checkpoints contain.
    removed: Vec<Removed>,
    /// Lower bound of the next checkpoint's number, above that of the last one.
    pub(super) next: CheckpointNumber,
    /// Whether no checkpoints will be taken.
    disabled: bool,
}

/// A state that was dropped.
#[derive(Debug)]
struct Removed {
    slot: u32,
    /// Beginning of its rule-level state, which is part of its name.
    beginning: u64,
    key: Box<str>,
}

impl Unsaved {
    /// Records that a state of a key has changed.
    pub(super) fn changed(&mut self, id: KeyId, block: &mut KeyBlock) {
        if !self.disabled && block.list() {
            self.changed.push(id);
        }
    }

    /// Records that a key's state is dropped.
    pub(super) fn gone(&mut self, state: &RuleState, key: &str) {
        if !self.disabled && state.is_stored() {
            self.removed.push(Removed { slot: state.slot(), beginning: state.beginning(), key: key.into() });
        }
    }

    /// Numbers of listed places and of removals.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.changed.len(), self.removed.len())
    }
}

/// A delta being filled, with the number of the name of each slot's rule-level state; the numbers of the
/// conditions' names follow it.
#[derive(Default)]
struct Chunk {
    delta: Delta,
    numbers: HashMap<u32, u32>,
}

impl Chunk {
    fn first_number(&mut self, plan: &RulePlan) -> u32 {
        let Chunk { delta, numbers } = self;
        *numbers.entry(plan.slot).or_insert_with(|| {
            let own = delta.name(part_name(plan, None));
            for condition in 0..plan.conditions.len() {
                delta.name(part_name(plan, Some(condition)));
            }
            own
        })
    }
}

impl Evaluator {
    /// Stops recording changes, since no checkpoints will be taken. To be called before there are any keys.
    pub fn without_checkpoints(&mut self) {
        self.unsaved.disabled = true;
    }

    /// Whether anything has changed since the last checkpoint.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.changed.is_empty() || !self.unsaved.removed.is_empty()
    }

    /// Takes out changes of about `most` states, fewer if they are large. To be called again until nothing is
    /// [unsaved](Self::has_unsaved).
    pub fn save(&mut self, most: usize) -> Delta {
        let book = Arc::clone(&self.book);
        let mut chunk = Chunk::default();
        let mut states = 0;
        while states < most && chunk.delta.bytes() < ENOUGH {
            // All removals come first.
            if let Some(Removed { slot, beginning, key }) = self.unsaved.removed.pop() {
                states += 1;
                // State that an edit has renamed meanwhile is dropped with its former names; a key of the new
                // names may belong to another worker.
                let plan = book.at_slot(slot).map(|rule| &*book.rules[rule]);
                if let Some(plan) = plan.filter(|plan| plan.layout.rule == beginning) {
                    delete(plan, &key, &mut chunk);
                }
            } else if let Some(id) = self.unsaved.changed.pop() {
                states += self.save_key(&book, id, &mut chunk);
            } else {
                break;
            }
        }
        chunk.delta
    }

    /// Takes out the changes of a key; returns the number of states.
    fn save_key(&mut self, book: &RuleBook, id: KeyId, chunk: &mut Chunk) -> usize {
        self.store.block_mut(id).unlist();
        let (mut states, mut soonest) = (0, i64::MAX);
        self.store.retain(id, |key, state| {
            let plan = book.at_slot(state.slot()).map(|rule| &*book.rules[rule]);
            let Some(plan) = plan.filter(|plan| state.is_dirty() && state.is_of(plan)) else { return true };
            states += 1;
            // The rule may have been edited since the change.
            let paused = state.paused_copy().is_some();
            soonest = soonest.min(state.bring_up_idle(plan).unwrap_or(i64::MAX));
            if paused && state.is_fresh(plan) {
                if state.is_stored() {
                    delete(plan, key, chunk);
                }
                return false;
            }
            save_state(state, plan, book, key, chunk);
            state.set_saved();
            true
        });
        self.store.file_sooner(id, soonest);
        states
    }

    /// Records that checkpoint `n` contains all changes so far.
    pub fn saved(&mut self, n: CheckpointNumber) {
        self.unsaved.next = n.next();
    }
}

fn delete(plan: &RulePlan, key: &str, chunk: &mut Chunk) {
    let own = chunk.first_number(plan);
    for part in 0..=plan.conditions.len() as u32 {
        chunk.delta.push(own + part, key, None::<fn(&mut String)>);
    }
}

fn save_state(state: &RuleState, plan: &RulePlan, book: &RuleBook, key: &str, chunk: &mut Chunk) {
    let own = chunk.first_number(plan);
    for (c, condition) in plan.conditions.iter().enumerate().filter(|(c, _)| state.is_condition_dirty(*c)) {
        let cells = state.cells(condition);
        let changed = cells != condition.program.initial();
        let write = changed.then_some(|out: &mut String| text::write(condition.program.names(), cells, out));
        chunk.delta.push(own + 1 + c as u32, key, write);
    }
    if state.is_rule_level_dirty() {
        // The snapshot of a pause that is over must not stay in the store, not even if keys were touched
        // during the pause.
        let there = plan.rule_level || state.has_rule_level();
        let write = there.then_some(|out: &mut String| entry::write(state, plan, &book.fields, out));
        chunk.delta.push(own, key, write);
    }
}
