//! State of a condition for one key.

use super::value::Value;

/// Values folded so far, and progress of steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConditionState {
    /// Time and value of everything folded; for `sequence`, `gap` and `absence` of each completion.
    pub(crate) folded: Vec<(i64, Value)>,
    /// `sequence`: number of steps done, time of the first, and time of the latest.
    pub(crate) step: usize,
    pub(crate) since: i64,
    pub(crate) latest: i64,
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
