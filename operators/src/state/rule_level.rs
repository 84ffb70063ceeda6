//! Rule-level state of a key: what a rule remembers besides the fields of its conditions.
//!
//! The part that every touch changes lies in the key's piece, in [`LEVEL_WIDTH`](super::layout::LEVEL_WIDTH)
//! words: `[touched][edit of the edge][flags and number]`. The rest, which few keys have, is a [`RuleLevel`]
//! of that number; 0 stands for none.
//!
//! **Invariant**: which conditions are known to be met or not is of the edit of the edge, and counts only
//! with an edge. It follows from the conditions, so no state is there for its sake, and none is stored.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{layout::Ordinal, piece::Piece};
use crate::{
    calculator::aggregate::weight::ALLOCATION,
    model::{
        field::Field,
        guid::OwnedGuid,
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{limit::LimitPlan, verdict::Known},
};

/// Words of a key that the rule has not touched: unknown last touch, no flags, no number.
pub(super) const UNTOUCHED: [u64; 3] = [i64::MIN as u64, 0, 0];

/// Flag: it is known whether `when` held at the last touch.
pub(super) const EDGE: u64 = 1;
/// Flag: `when` held at the last touch.
pub(super) const HELD: u64 = 1 << 1;
/// Flag: the key is to be judged at the rule's publish.
pub(super) const JUDGED_AT_PUBLISH: u64 = 1 << 2;

/// First of the flags for the conditions that are known to be met or not, and for those known to be met.
const KNOWN: u32 = 8;
const MET: u32 = 16;
/// All flags of [`Known`].
pub(super) const ALL_KNOWN: u64 = 0xff << KNOWN | 0xff << MET;

/// Conditions that are known to be met or not, in the flags.
pub(super) fn known(flags: u64) -> Known {
    Known { known: (flags >> KNOWN) as u8, met: (flags >> MET) as u8 }
}

/// Flags of the conditions that are known to be met or not.
pub(super) fn known_flags(known: Known) -> u64 {
    u64::from(known.known) << KNOWN | u64::from(known.met) << MET
}

/// Number of the [`RuleLevel`] in the words of a rule-level state; 0 for none.
pub(super) fn number(words: &[u64]) -> u32 {
    words.get(2).map_or(0, |word| (word >> 32) as u32)
}

/// Whether the key is to be judged at the rule's publish, according to the words of a rule-level state.
pub(super) fn is_judged_at_publish(words: &[u64]) -> bool {
    words.get(2).is_some_and(|word| word & JUDGED_AT_PUBLISH != 0)
}

/// Sets the number of the [`RuleLevel`].
pub(super) fn set_number(words: &mut [u64], number: u32) {
    if let Some(word) = words.get_mut(2) {
        *word = *word & u64::from(u32::MAX) | u64::from(number) << 32;
    }
}

/// Firings, timers, messages and pause of a rule for a key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RuleLevel {
    /// Instants at which the rule fired for the key, unix ms, ascending; only those that the limit may still
    /// count.
    pub(super) firings: VecDeque<i64>,
    /// Armed timers, at most one per condition.
    pub(super) armed: Vec<(Ordinal, Armed)>,
    /// Messages seen last, oldest first, at most [`MESSAGES`].
    pub(super) messages: VecDeque<Message>,
    /// State as it stood when the current pause began, in case the pause is skipped.
    pub(super) paused_copy: Option<PausedCopy>,
}

/// Snapshot of a pause: a key's state of the rule as it stood when the pause began, as a piece of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PausedCopy {
    /// Number of the pause.
    pub(super) pause: u64,
    /// The state, without the pause's events.
    pub(super) piece: Piece,
}

/// A message that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// Ingest time, unix ms.
    pub(super) at: i64,
    /// What identifies it.
    pub(super) hash: u64,
}

/// Most messages of a key that a rule remembers.
pub const MESSAGES: usize = 64;

/// An armed timer, with the event that set it.
#[derive(Clone, Debug, PartialEq)]
pub struct Armed {
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
    pub guid: Option<OwnedGuid>,
    /// Values of the event that the rule's action reads.
    pub values: Vec<(Field, Value<'static>)>,
}

impl RuleLevel {
    /// Whether it has nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.firings.is_empty()
            && self.armed.is_empty()
            && self.messages.is_empty()
            && self.paused_copy.is_none()
    }

    /// Whether a timer is armed, or may be in the snapshot of a pause.
    pub(super) fn may_wait(&self) -> bool {
        !self.armed.is_empty() || self.paused_copy.is_some()
    }

    /// Records a firing at `at` if `limit` allows one; removes firings that it no longer counts.
    pub(super) fn try_fire(&mut self, limit: LimitPlan, at: i64) -> bool {
        let since = limit.since(at);
        while self.firings.front().is_some_and(|first| *first < since) {
            self.firings.pop_front();
        }
        let allowed = self.firings.len() < limit.times as usize;
        if allowed {
            self.firings.push_back(at);
        }
        allowed
    }

    /// Whether a message was seen from `since` on, unix ms.
    pub(super) fn has_seen(&self, hash: u64, since: i64) -> bool {
        self.messages.iter().any(|message| message.hash == hash && message.at >= since)
    }

    /// Remembers a message seen at `at`, and forgets those from before `since`, unix ms.
    pub(super) fn see(&mut self, hash: u64, at: i64, since: i64) {
        self.messages.retain(|message| message.at >= since);
        self.messages.drain(..(self.messages.len() + 1).saturating_sub(MESSAGES));
        self.messages.push_back(Message { at, hash });
    }

    pub(super) fn disarm(&mut self, part: Ordinal) {
        self.armed.retain(|(of, _)| *of != part);
    }

    /// Approximate bytes, without the piece of a snapshot.
    pub(super) fn weight(&self) -> usize {
        ALLOCATION
            + size_of::<RuleLevel>()
            + self.firings.len() * size_of::<i64>()
            + self.messages.len() * size_of::<Message>()
            + self.armed.iter().map(|(_, armed)| of_armed(armed)).sum::<usize>()
    }
}

fn of_guid(guid: &OwnedGuid) -> usize {
    match guid {
        OwnedGuid::Text(text) => ALLOCATION + text.len(),
        OwnedGuid::Number(_) => 0,
    }
}

fn of_armed(armed: &Armed) -> usize {
    let text = |(_, value): &(Field, Value<'_>)| match value {
        Value::Text(text) | Value::Nested(text) => ALLOCATION + text.len(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
    };
    size_of::<(Ordinal, Armed)>()
        + 2 * ALLOCATION
        + armed.event_id.len()
        + armed.guid.as_ref().map_or(0, of_guid)
        + armed.values.len() * size_of::<(Field, Value<'static>)>()
        + armed.values.iter().map(text).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calculator::aggregate::Cut, model::calendar::Calendar};

    #[test]
    fn a_limit_counts_the_firings_of_its_span() {
        let mut level = RuleLevel::default();
        let limit = LimitPlan { times: 2, per: Some(Cut::last(100)) };
        let fired: Vec<bool> = [0, 50, 99, 100, 120, 150].map(|at| level.try_fire(limit, at)).to_vec();
        assert_eq!(fired, [true, true, false, true, false, true], "a firing counts for less than the span");
    }

    #[test]
    fn a_limit_counts_the_firings_of_its_day() {
        let mut level = RuleLevel::default();
        let day = Calendar::parse("day UTC").unwrap();
        let limit = LimitPlan { times: 1, per: Some(Cut::Calendar(day)) };
        let fired: Vec<bool> =
            [0, 86_399_999, 86_400_000, 90_000_000].map(|at| level.try_fire(limit, at)).to_vec();
        assert_eq!(fired, [true, false, true, false]);
    }

    #[test]
    fn a_limit_without_a_span_counts_all_firings() {
        let mut level = RuleLevel::default();
        let limit = LimitPlan { times: 1, per: None };
        assert_eq!([0, i64::MAX].map(|at| level.try_fire(limit, at)), [true, false]);
    }

    #[test]
    fn a_number_leaves_the_flags() {
        let mut words = UNTOUCHED;
        words[2] |= EDGE | JUDGED_AT_PUBLISH;
        set_number(&mut words, u32::MAX);
        set_number(&mut words, 7);
        assert_eq!((number(&words), words[2] & u64::from(u32::MAX)), (7, EDGE | JUDGED_AT_PUBLISH));
    }

    #[test]
    fn what_is_known_has_flags_of_its_own() {
        for known_of in [Known { known: u8::MAX, met: 0 }, Known { known: u8::MAX, met: u8::MAX }] {
            let flags = known_flags(known_of);
            assert_eq!(known(flags | EDGE | HELD | JUDGED_AT_PUBLISH | 9 << 32), known_of);
            assert_eq!(flags & !ALL_KNOWN, 0);
        }
        assert_eq!(ALL_KNOWN & (EDGE | HELD | JUDGED_AT_PUBLISH | u64::from(u32::MAX) << 32), 0);
    }
}
