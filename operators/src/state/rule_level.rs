//! Rule-level state of a key: what only some keys have besides the cells of their conditions.

use std::collections::VecDeque;

use super::RuleState;
use crate::{
    document::spec::Limit,
    model::{
        field::Field,
        ids::{Offset, PartitionId},
        value::Value,
    },
};

/// Firings, edge, timers and pause of a rule for a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RuleLevel {
    /// Instants at which the rule fired for the key, unix ms, ascending; only those that the limit may still
    /// count.
    pub(super) firings: VecDeque<i64>,
    /// Whether `when` held at the last touch, and under which edit of the rule.
    pub(super) edge: Option<(u64, bool)>,
    /// Armed timers, at most one per condition.
    pub(super) armed: Vec<Armed>,
    /// Whether the key is to be judged at the rule's publish.
    pub(super) judge_at_publish: bool,
    /// State as it stood when the current pause began, in case the pause is skipped.
    pub(super) paused_copy: Option<Box<PausedCopy>>,
}

/// Snapshot of a pause: a key's state as it stood when the pause began.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PausedCopy {
    /// Number of the pause.
    pub(super) pause: u64,
    /// The state, without the pause's events.
    pub(super) state: RuleState,
}

/// An armed timer, with the event that set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
    /// Position of the condition in the layout.
    pub condition: usize,
    /// Deadline, unix ms.
    pub deadline: i64,
    /// Partition of the event.
    pub partition: PartitionId,
    /// Offset of the event.
    pub offset: Offset,
    /// Id of the event.
    pub event_id: Box<str>,
    /// The event's own time, unix ms.
    pub event_time: i64,
    /// User of the event.
    pub guid: Option<u64>,
    /// Values of the event that the rule's action reads.
    pub values: Vec<(Field, Value<'static>)>,
}

impl RuleLevel {
    /// Records a firing at `at` if `limit` allows one; removes firings outside the limit's span.
    pub(super) fn try_fire(&mut self, limit: Limit, at: i64) -> bool {
        let Limit { times, per } = limit;
        while let (Some(per), Some(first)) = (per, self.firings.front())
            && *first <= at - per.0
        {
            self.firings.pop_front();
        }
        let allowed = self.firings.len() < times as usize;
        if allowed {
            self.firings.push_back(at);
        }
        allowed
    }

    pub(super) fn disarm(&mut self, condition: usize) {
        self.armed.retain(|armed| armed.condition != condition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::span::Span;

    #[test]
    fn a_limit_counts_the_firings_of_its_span() {
        let mut level = RuleLevel::default();
        let limit = Limit { times: 2, per: Some(Span(100)) };
        let fired: Vec<bool> = [0, 50, 99, 100, 120, 150].map(|at| level.try_fire(limit, at)).to_vec();
        assert_eq!(fired, [true, true, false, true, false, true], "a firing counts for less than the span");
    }

    #[test]
    fn a_limit_without_a_span_counts_all_firings() {
        let mut level = RuleLevel::default();
        let limit = Limit { times: 1, per: None };
        assert_eq!([0, i64::MAX].map(|at| level.try_fire(limit, at)), [true, false]);
    }
}
