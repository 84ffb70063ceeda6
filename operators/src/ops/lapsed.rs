//! Lapse: when a key's state of a rule no longer counts.

use crate::{
    rule::{crowd::Member, guards::Guards, plan::RulePlan},
    state::RuleState,
};

/// Whether a key's state of a rule no longer counts at `now` (unix ms): idle beyond `ttl`, or its user left
/// the crowd more than seven days ago. A state of unknown last touch is not idle.
pub(super) fn is_lapsed(plan: &RulePlan, state: &RuleState<'_>, key: &str, now: i64) -> bool {
    let touched = state.last_touch(plan);
    Guards::new(plan).is_idle(touched, now) || has_left(plan, touched, key, now)
}

/// Whether the key's user left the crowd so early that state last touched at `touched` no longer counts.
fn has_left(plan: &RulePlan, touched: i64, key: &str, now: i64) -> bool {
    let mut over = plan.departed.iter().filter(|d| d.is_over(touched, now)).peekable();
    // The key is parsed only if a departure is over for its state, which is rare.
    over.peek().is_some()
        && plan.key.guid(key).is_some_and(|guid| {
            let member = Member::from(guid.as_guid());
            over.any(|d| d.guids.contains(member))
        })
}
