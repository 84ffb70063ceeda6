//! The calculators that depend on an order: `sequence`, `gap` and `absence`.

use super::calculator::{Anchor, Bounds};
use super::condition_state::ConditionState;

/// Folds one event into a sequence; `matching` lists the steps that it matches.
pub(crate) fn sequence(state: &mut ConditionState, matching: &[bool], time: i64, within: Option<i64>) {
    match within {
        Some(within) => runs(state, matching, time, within),
        None => run(state, matching, time),
    }
}

/// A single run, in which any time may pass.
fn run(state: &mut ConditionState, matching: &[bool], time: i64) {
    let done = state.runs.keys().next().copied().unwrap_or(0);
    let latest = state.runs.values().next().map(|(_, latest)| *latest);
    if !matching[done] || latest.is_some_and(|latest| time < latest) {
        return;
    }
    state.runs.clear();
    if done + 1 == matching.len() {
        state.complete(time);
    } else {
        state.runs.insert(done + 1, (time, time));
    }
}

/// One run for each number of steps done.
fn runs(state: &mut ConditionState, matching: &[bool], time: i64, within: i64) {
    for done in (0..matching.len()).rev().filter(|step| matching[*step]) {
        let start = match state.runs.get(&done) {
            _ if done == 0 => time,
            Some((start, latest)) if *latest <= time && time - start <= within => *start,
            _ => continue,
        };
        state.runs.remove(&done);
        if done + 1 == matching.len() {
            state.complete(time);
            state.runs.clear();
        } else if state.runs.get(&(done + 1)).is_none_or(|(other, _)| *other <= start) {
            state.runs.insert(done + 1, (start, time));
        }
        return;
    }
}

/// Folds one event into a gap, given the steps that it matches: first as B, then as A.
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
        if distance >= 0 && bounds.hold(distance) {
            state.complete(time);
            state.last_gap = Some(distance);
            state.pending = None;
        } else if distance >= 0 && anchor == Anchor::Adjacent {
            state.pending = None;
        }
    }
    if is_a && (state.pending.is_none() || anchor != Anchor::Earliest) {
        state.pending = Some(time);
    }
}

/// Folds one event into an absence, given the steps that it matches: first as B, then as A.
pub(crate) fn absence(
    state: &mut ConditionState,
    [is_a, is_b]: [bool; 2],
    time: i64,
    (within, anchor): (i64, Anchor),
    index: usize,
) {
    let in_time = |pending: i64| pending <= time && time <= pending + within;
    if is_b && state.pending.is_some_and(in_time) {
        state.pending = None;
    }
    let moves = |pending: i64| anchor == Anchor::Latest && time > pending;
    if is_a && state.pending.is_none_or(moves) {
        state.pending = Some(time);
        state.cause = index;
    }
}
