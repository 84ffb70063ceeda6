//! Sweeping: dropping state that is no longer needed, a few keys at a time.

use std::sync::Arc;

use super::{super::lapsed::is_lapsed, Evaluator};
use crate::state::KeyId;

impl Evaluator {
    /// Visits the next `budget` places for keys, in rotation, and drops states of rules that are gone or
    /// keyed differently, of keys idle beyond `ttl`, and of people who left the crowd more than seven days
    /// ago. Snapshots of pauses that are over are resolved.
    pub fn sweep(&mut self, budget: usize) {
        for _ in 0..budget.min(self.store.places()) {
            if let Some(id) = self.store.next_in_turn() {
                self.sweep_key(id);
            }
        }
    }

    fn sweep_key(&mut self, id: KeyId) {
        let (book, clock) = (Arc::clone(&self.book), self.clock);
        let Evaluator { store, unsaved, .. } = self;
        let (mut soonest, mut changed, mut dirty) = (i64::MAX, false, false);
        store.retain(id, |key, state| {
            let of = book.at_slot(state.slot()).map(|rule| &*book.rules[rule]);
            let Some(plan) = of.filter(|plan| state.is_of(plan)) else { return false };
            let paused = state.paused_copy().is_some();
            if paused {
                soonest = soonest.min(state.bring_up_idle(plan).unwrap_or(i64::MAX));
            }
            if plan.level_since.is_some() && state.last_touch(plan) == i64::MIN && clock > i64::MIN {
                // A correction set the state before the first clock.
                state.touch(plan, clock);
            }
            let over = is_lapsed(plan, state, key, clock) || (paused && state.is_fresh(plan));
            if over {
                unsaved.gone(state, key);
            }
            changed |= over || state.is_dirty();
            dirty |= !over && state.is_dirty();
            !over
        });
        let block = store.block_mut(id);
        if changed {
            block.set_changed_in(unsaved.next);
        }
        if dirty {
            unsaved.changed(id, block);
        }
        store.file_sooner(id, soonest);
        store.remove_if_idle(id, clock);
    }
}
