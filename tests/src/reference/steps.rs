//! The calculators that depend on an order: `sequence`, `gap` and `absence`.

use super::calculator::{Anchor, Bounds};
use super::condition_state::ConditionState;

/// Folds one event into a sequence; `matching` lists the steps that it matches.
pub(crate) fn sequence(state: &mut ConditionState, matching: &[bool], time: i64, within: Option<i64>) {
    if state.step > 0 && within.is_some_and(|within| time - state.since > within) {
        state.step = 0;
    }
    if !matching[state.step] || (state.step > 0 && time < state.latest) {
        return;
    }
    if state.step == 0 {
        state.since = time;
    }
    state.latest = time;
    state.step += 1;
    if state.step == matching.len() {
        state.step = 0;
        state.complete(time);
    }
}

/// Folds one event into a gap, given the steps that it matches: first as B, and as A only if that completed
/// nothing.
pub(crate) fn gap(
    state: &mut ConditionState,
    [is_a, is_b]: [bool; 2],
    time: i64,
    bounds: &Bounds,
    anchor: Anchor,
) {
    if let (true, Some(pending)) = (is_b, state.pending) {
        let distance = time - pending;
        // Out of order: nothing happens, not even to an adjacent A.
        if distance >= 0 {
            if bounds.hold(distance) {
                state.complete(time);
                state.last_gap = Some(distance);
                state.pending = None;
                return;
            }
            if anchor == Anchor::Adjacent {
                state.pending = None;
            }
        }
    }
    if is_a && (state.pending.is_none() || anchor != Anchor::Earliest) {
        state.pending = Some(time);
    }
}

/// Folds one event into an absence, given the steps that it matches: first as B, and as A only if that
/// cleared nothing.
pub(crate) fn absence(
    state: &mut ConditionState,
    [is_a, is_b]: [bool; 2],
    time: i64,
    within: i64,
    index: usize,
) {
    if let (true, Some(pending)) = (is_b, state.pending)
        && pending <= time
        && time <= pending + within
    {
        state.pending = None;
        return;
    }
    if is_a && state.pending.is_none() {
        state.pending = Some(time);
        state.cause = index;
    }
}
