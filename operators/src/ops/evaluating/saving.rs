//! Saving: changes since the last checkpoint, as a [`Delta`].
//!
//! **Invariants**
//! - A key with a dirty state is listed as changed, and the state is clean once it is saved. So the cost of
//!   saving depends on the number of changes, not on the size of the state.
//! - A removal is a dirty bit of a part that is absent; a key with one stays until it is saved. So however
//!   long no checkpoint is taken, a key is listed once, and a part is written or deleted once. What came and
//!   went before any checkpoint had a part of the key is no removal; nothing is listed if no checkpoints will
//!   be taken.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Evaluator, names::part_name};
use crate::{
    model::{field::Fields, ids::CheckpointNumber},
    rule::{book::RuleBook, plan::RulePlan},
    state::{
        Delta, KeyBlock, KeyId, OpenKey, RuleParts, RuleState, UnsavedPart, entry, layout::PartOf, text,
    },
};

/// Size of a delta, bytes, from which on it takes no more keys.
const ENOUGH: usize = 8 << 20;

/// Changes since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// Keys with changed states: those whose blocks are `listed`. A place may have been reused for another
    /// key meanwhile.
    changed: Vec<KeyId>,
    /// Lower bound of the next checkpoint's number, above that of the last one.
    pub(super) next: CheckpointNumber,
    /// Whether no checkpoints will be taken.
    disabled: bool,
}

impl Unsaved {
    /// Records that a state of a key has changed.
    pub(super) fn changed(&mut self, id: KeyId, block: &mut KeyBlock) {
        block.set_changed_in(self.next);
        if !self.disabled && block.list() {
            self.changed.push(id);
        }
    }

    /// Number of listed places.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.changed.len()
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
        self.store.record(false);
    }

    /// Whether anything has changed since the last checkpoint.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.changed.is_empty()
    }

    /// Takes out changes of about `most` states, fewer if they are large. To be called again until nothing is
    /// [unsaved](Self::has_unsaved).
    pub fn save(&mut self, most: usize) -> Delta {
        let book = Arc::clone(&self.book);
        let mut chunk = Chunk::default();
        let mut states = 0;
        while states < most && chunk.delta.bytes() < ENOUGH {
            let Some(id) = self.unsaved.changed.pop() else { break };
            states += self.save_key(&book, id, &mut chunk);
        }
        chunk.delta
    }

    /// Takes out the changes of a key; returns the number of states.
    fn save_key(&mut self, book: &RuleBook, id: KeyId, chunk: &mut Chunk) -> usize {
        let Evaluator { store, parts, scratch, .. } = self;
        store.block_mut(id).unlist();
        let (states, soonest) = store.with_key(id, |open| {
            scratch.rules.clear();
            open.rules_with_level(&mut scratch.rules);
            let mut soonest = i64::MAX;
            for rule in scratch.rules.iter().map(|rule| *rule as usize) {
                // The pause may have ended since the change.
                let mut state = open.rule(&parts[rule]);
                if state.is_paused() && state.is_dirty() {
                    soonest = soonest.min(settle(&mut state, &book.rules[rule]));
                }
            }
            open.put_in();
            scratch.unsaved.clear();
            open.unsaved(&mut scratch.unsaved);
            for part in &scratch.unsaved {
                let rule = part.of.rule as usize;
                save_part(open, *part, &parts[rule], (&book.rules[rule], &book.fields), chunk);
                open.put_in();
            }
            open.set_saved();
            (scratch.unsaved.len(), soonest)
        });
        store.file_sooner(id, soonest);
        states
    }

    /// Records that checkpoint `n` contains all changes so far.
    pub fn saved(&mut self, n: CheckpointNumber) {
        self.unsaved.next = n.next();
    }
}

/// Resolves the snapshot of a pause that is over. Returns the instant of the next timer if that has changed,
/// unix ms.
fn settle(state: &mut RuleState<'_>, plan: &RulePlan) -> i64 {
    let soonest = state.bring_up_idle(plan);
    if state.is_fresh(plan) {
        state.clear();
    }
    soonest.unwrap_or(i64::MAX)
}

/// Writes a part, or deletes it.
fn save_part(
    open: &mut OpenKey<'_>,
    part: UnsavedPart,
    parts: &RuleParts,
    (plan, fields): (&RulePlan, &Fields),
    chunk: &mut Chunk,
) {
    let UnsavedPart { of: PartOf { condition, .. }, present } = part;
    let (own, key) = (chunk.first_number(plan), open.key());
    let mut state = open.rule(parts);
    let delta = &mut chunk.delta;
    match condition {
        Some(c) => {
            let c = usize::from(c);
            let values = (present && !state.is_first(plan, c)).then(|| state.fields(plan, c));
            let names = plan.conditions[c].program.names();
            let write =
                values.as_ref().map(|values| |out: &mut String| text::write(names, values.values(), out));
            delta.push(own + 1 + c as u32, key, write);
        }
        None => {
            // The snapshot of a pause that is over must not stay in the store, not even if keys were touched
            // during the pause.
            let there = present && (plan.rule_level || state.has_rule_level());
            let write = there.then_some(|out: &mut String| entry::write(&mut state, plan, fields, out));
            delta.push(own, key, write);
        }
    }
}
