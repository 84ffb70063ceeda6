//! Changes of a key's state of a rule: in its place in the store, without copying it out.
//!
//! **Invariants**
//! - After a change a state is either kept, with its timers filed, or dropped because it equals that of a key
//!   for which nothing was folded.
//! - Whatever a change marks in a state is recorded for the next checkpoint, the removal of a stored state
//!   included.

use super::{super::lapsed::is_lapsed, saving::Unsaved};
use crate::{
    rule::plan::RulePlan,
    state::{KeyId, RuleState, Store},
};

/// The states of a worker and the record of their changes.
pub(super) struct States<'e> {
    pub(super) store: &'e mut Store,
    pub(super) unsaved: &'e mut Unsaved,
}

/// What a change has left of a state.
#[derive(Clone, Copy, Default)]
struct Outcome {
    dirty: bool,
    kept: bool,
    /// Instant of the key's next timer for the rule, unix ms.
    deadline: i64,
}

impl States<'_> {
    /// Calls `change` with the key's text and its state for the rule, brought up to the plan and `now` (unix
    /// ms); with a fresh state if there is none that counts.
    pub(super) fn change(
        &mut self,
        plan: &RulePlan,
        id: KeyId,
        now: i64,
        mut change: impl FnMut(&str, &mut RuleState),
    ) {
        let States { store, unsaved } = self;
        let mut outcome = Outcome::default();
        let present = store.change(id, plan.slot, |key, state| {
            bring_up(state, plan, key, now);
            change(key, state);
            outcome = settle(state, plan, key, unsaved);
            outcome.kept
        });
        if !present {
            let (mut state, key) = (fresh(plan, now), store.block(id).key());
            change(key, &mut state);
            outcome = settle(&state, plan, key, unsaved);
            if outcome.kept {
                store.put(id, state);
            }
        }
        let block = store.block_mut(id);
        if outcome.dirty {
            block.set_changed_in(unsaved.next);
        }
        if outcome.kept {
            if outcome.dirty {
                unsaved.changed(id, block);
            }
            store.file_sooner(id, outcome.deadline);
        }
    }
}

fn fresh(plan: &RulePlan, now: i64) -> RuleState {
    let mut fresh = RuleState::fresh(plan, now);
    fresh.bring_up_to(plan);
    fresh
}

/// Brings a state up to the plan and `now`; one that does not count begins anew.
fn bring_up(state: &mut RuleState, plan: &RulePlan, key: &str, now: i64) {
    if !state.is_of(plan) {
        // Stored state of another key or life of the rule has another name.
        *state = fresh(plan, now);
        return;
    }
    state.bring_up_to(plan);
    if is_lapsed(plan, state, key, now) {
        *state = state.restarted(plan, now);
    }
}

/// Decides whether a changed state is kept, and records its removal if not.
fn settle(state: &RuleState, plan: &RulePlan, key: &str, unsaved: &mut Unsaved) -> Outcome {
    let kept = !state.is_fresh(plan);
    if !kept {
        unsaved.gone(state, key);
    }
    let deadline = if kept { state.next_deadline(plan.publish) } else { i64::MAX };
    Outcome { dirty: state.is_dirty(), kept, deadline }
}
