//! Sweeping: dropping state that is no longer needed, a few keys at a time.

use std::sync::Arc;

use super::{super::lapsed::is_lapsed, Evaluator};
use crate::{
    rule::plan::RulePlan,
    state::{KeyId, OpenKey, RuleParts},
};

impl Evaluator {
    /// Visits the next `budget` places for keys, in rotation, and drops states of rules that are gone or
    /// keyed differently, conditions that have come back to their first values, states of keys idle beyond
    /// `ttl`, and of people who left the crowd more than seven days ago. Snapshots of pauses that are over
    /// are resolved.
    pub fn sweep(&mut self, budget: usize) {
        for _ in 0..budget.min(self.store.places()) {
            if let Some(id) = self.store.next_in_turn() {
                self.sweep_key(id);
            }
        }
    }

    fn sweep_key(&mut self, id: KeyId) {
        let (book, clock) = (Arc::clone(&self.book), self.clock);
        let Evaluator { store, unsaved, parts, scratch, .. } = self;
        let (changed, soonest) = store.with_key(id, |open| {
            open.prune();
            scratch.rules.clear();
            open.rules_with_level(&mut scratch.rules);
            let mut soonest = i64::MAX;
            for rule in scratch.rules.iter().map(|rule| *rule as usize) {
                soonest = soonest.min(sweep_rule(open, &book.rules[rule], &parts[rule], clock));
            }
            (open.is_changed(), soonest)
        });
        if changed {
            unsaved.changed(id, store.block_mut(id));
        }
        store.file_sooner(id, soonest);
        store.remove_if_idle(id, clock);
    }
}

/// Drops a state that is no longer needed. Returns the instant of its next timer if that has changed, unix
/// ms.
fn sweep_rule(open: &mut OpenKey<'_>, plan: &RulePlan, parts: &RuleParts, clock: i64) -> i64 {
    let key = open.key();
    let mut state = open.rule(parts);
    state.drop_retired();
    let paused = state.is_paused();
    let soonest = if paused { state.bring_up_idle(plan) } else { None };
    if plan.level_since.is_some() && state.last_touch(plan) == i64::MIN && clock > i64::MIN {
        // A correction set the state before the first clock.
        state.touch(plan, clock);
    }
    if is_lapsed(plan, &state, key, clock) || (paused && state.is_fresh(plan)) {
        state.clear();
    }
    soonest.unwrap_or(i64::MAX)
}
