//! State of a condition for one key.

use std::collections::BTreeMap;

use super::value::Value;

/// Values folded so far, and progress of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConditionState {
    /// Time and value of everything folded; for `sequence`, `gap` and `absence` of each completion.
    pub(crate) folded: Vec<(i64, Value)>,
    /// `sequence`: times of the first and of the latest step of the runs in progress, by number of steps done.
    pub(crate) runs: BTreeMap<usize, (i64, i64)>,
    /// `gap`, `absence`: time of the pending A.
    pub(crate) pending: Option<i64>,
    /// `absence`: index of the pending event.
    pub(crate) cause: usize,
    pub(crate) last_gap: Option<i64>,
}

impl ConditionState {
    /// Counts a completion at this time.
    pub(crate) fn complete(&mut self, time: i64) {
        self.folded.push((time, Value::Bool(true)));
    }
}
