//! Restoring: stored states, in any order, back into keys.
//!
//! **Invariant**: restoring what was saved, in any order of its states, gives an evaluator that continues as
//! the saved one would have.

use std::sync::Arc;

use super::{Evaluator, StateNames, names::StatePart};
use crate::{
    calculator::Cell,
    model::{field::Fields, ids::CheckpointNumber, key},
    rule::plan::RulePlan,
    state::{KeyId, RuleState, delta::Change, entry, evicted::EvictedKey, text},
};

impl Evaluator {
    /// Restores a stored state. States that no rule has any more are ignored.
    ///
    /// # Errors
    /// If the text is not a state of that name.
    pub fn restore(&mut self, names: &StateNames, stored: &Change<'_>) -> Result<(), String> {
        let Some(part) = names.part(stored.name) else { return Ok(()) };
        let book = Arc::clone(&self.book);
        let group = book.rule_key[part.rule];
        let hash = key::route(book.key_seeds[group as usize], stored.key);
        if self.is_evicted(hash, group, stored.key) {
            let key = EvictedKey { group, hash, key: stored.key.into() };
            return self.restore_evicted(key, part, stored);
        }
        let id = self.store.entry(hash, group, stored.key);
        let read = self.restore_part(id, part, stored);
        self.store.block_mut(id).set_changed_in(CheckpointNumber::default());
        read
    }

    /// Reads a stored state into its key in memory.
    pub(super) fn restore_part(
        &mut self,
        id: KeyId,
        part: StatePart,
        stored: &Change<'_>,
    ) -> Result<(), String> {
        let Evaluator { book, store, parts, .. } = self;
        let plan = &*book.rules[part.rule];
        store.with_key(id, |open| {
            let mut state = open.restored(&parts[part.rule]);
            read(&mut state, plan, part.condition, &book.fields, stored)
        })
    }

    /// Finishes restoring after all stored states were restored; `clock` is that of the checkpoint (unix ms).
    pub fn restored(&mut self, clock: i64) {
        while !self.finish_restoring(clock, usize::MAX) {}
    }

    /// Like [`restored`](Self::restored), for at most `most` further places of keys. Returns false if some
    /// are left: then call again with the same clock, and do nothing else meanwhile.
    pub fn finish_restoring(&mut self, clock: i64, most: usize) -> bool {
        self.clock = self.clock.max(clock);
        self.memory.restored(clock);
        let end = self.store.places().min(self.restored_places.saturating_add(most));
        for place in self.restored_places..end {
            if let Some(id) = self.store.at_place(place) {
                self.finish_key(id, clock);
            }
        }
        self.restored_places = end;
        end == self.store.places()
    }

    /// Finishes restoring a key: drops states that equal fresh ones, sets its times, files its timer. A state
    /// without a rule-level entry, of a rule whose lineage has no instant for it, was touched by `touched` at
    /// the latest.
    pub(super) fn finish_key(&mut self, id: KeyId, touched: i64) {
        let Evaluator { book, store, parts, scratch, .. } = self;
        let (last_now, soonest) = store.with_key(id, |open| {
            scratch.rules.clear();
            open.rules_with_level(&mut scratch.rules);
            let (mut last_now, mut soonest) = (i64::MIN, i64::MAX);
            for rule in scratch.rules.iter().map(|rule| *rule as usize) {
                let plan = &book.rules[rule];
                let mut state = open.restored(&parts[rule]);
                if state.is_fresh(plan) {
                    state.clear();
                    continue;
                }
                last_now = last_now.max(state.touched());
                if plan.level_since.is_some() && state.last_touch(plan) == i64::MIN {
                    // Lineages of former releases have no such instant. Since somebody left the rule's crowd,
                    // every touched key has an entry.
                    let left = plan.departed.iter().map(|d| d.at).min().unwrap_or(touched);
                    state.set_touched(left.min(touched));
                }
                soonest = soonest.min(state.next_deadline(plan));
            }
            (last_now, soonest)
        });
        store.block_mut(id).set_last_now(last_now);
        store.file_sooner(id, soonest);
    }
}

/// Reads a stored state: a condition's, or the rule-level state.
pub(super) fn read(
    state: &mut RuleState<'_>,
    plan: &RulePlan,
    condition: Option<usize>,
    fields: &Fields,
    stored: &Change<'_>,
) -> Result<(), String> {
    let read = match (condition, stored.text) {
        (None, None) => {
            state.remove_rule_level();
            Ok(())
        }
        (None, Some(text)) => entry::read(state, plan, fields, text),
        (Some(c), text) => cells(plan, c, text).map(|cells| {
            state.fields_mut(plan, c).set_cells(cells);
        }),
    };
    read.map_err(|e| format!("state {} of key {:?}: {e}", stored.name, stored.key))
}

/// Cells of a condition read from a text; its initial cells without a text.
pub(super) fn cells(plan: &RulePlan, condition: usize, text: Option<&str>) -> Result<Vec<Cell>, String> {
    let program = &plan.conditions[condition].program;
    match text {
        Some(text) => text::read(program.names(), program.initial(), text),
        None => Ok(program.initial().to_vec()),
    }
}
