//! Changes of a key's state of a rule: in its place in the store.
//!
//! **Invariant**: after a change a state is either kept or, if it equals that of a key for which nothing was
//! folded, dropped.

use super::super::lapsed::is_lapsed;
use crate::{
    rule::plan::RulePlan,
    state::{OpenKey, RuleParts, RuleState},
};

/// Calls `change` with a key's text and its state of a rule, brought up to the plan and `now` (unix ms); with
/// a fresh state if there is none that counts. Returns the instant of the key's next timer for the rule, unix
/// ms; `i64::MAX` if there is none.
pub(super) fn change(
    open: &mut OpenKey<'_>,
    plan: &RulePlan,
    parts: &RuleParts,
    now: i64,
    change: impl FnOnce(&str, RuleState<'_>),
) -> i64 {
    let key = open.key();
    let mut state = open.rule(parts);
    begin(&mut state, plan, key, now);
    change(key, state.lent());
    end(&mut state, plan)
}

/// Brings a state up to the plan and `now`, unix ms, before it is changed: pauses that are over are resolved,
/// and a state that does not count any more begins anew.
pub(super) fn begin(state: &mut RuleState<'_>, plan: &RulePlan, key: &str, now: i64) {
    state.bring_up_to(plan);
    if is_lapsed(plan, state, key, now) {
        state.clear();
        state.bring_up_to(plan);
    }
}

/// Ends a change: drops a state that is as new. Returns the instant of the key's next timer for the rule,
/// unix ms; `i64::MAX` if there is none.
pub(super) fn end(state: &mut RuleState<'_>, plan: &RulePlan) -> i64 {
    if state.is_fresh(plan) {
        state.clear();
        return i64::MAX;
    }
    state.next_deadline(plan)
}
