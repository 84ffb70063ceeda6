//! Triggers: the output of the engine.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    guid::OwnedGuid,
    ids::{Offset, PartitionId},
    json,
};

/// The event that made a rule fire; for a timer, the event that armed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause<'c> {
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset in the partition.
    pub offset: Offset,
    /// Its kind.
    pub event_id: Cow<'c, str>,
    /// Its own time, unix ms.
    pub event_time: i64,
    /// For a timer: the condition that armed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Cow<'c, str>>,
    /// For a timer: its deadline, unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
}

impl Cause<'_> {
    /// Appends the cause as a trigger shows it, as JSON.
    pub fn write(&self, out: &mut String) {
        out.push_str("{\"partition\":");
        json::integer(self.partition.0, out);
        out.push_str(",\"offset\":");
        json::integer(self.offset.0, out);
        out.push_str(",\"event_id\":");
        json::string(&self.event_id, out);
        out.push_str(",\"event_time\":");
        json::integer(self.event_time, out);
        if let Some(condition) = &self.condition {
            out.push_str(",\"condition\":");
            json::string(condition, out);
        }
        if let Some(deadline) = self.deadline {
            out.push_str(",\"deadline\":");
            json::integer(deadline, out);
        }
        out.push('}');
    }
}

/// A firing of a rule for a key, as read from its [line](Fired::line).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// The same for the same publish of a rule, key and cause after every recovery; receivers drop repeats by
    /// it. See [`Trigger::id`].
    pub trigger_id: String,
    /// The rule.
    pub rule_id: String,
    /// The rule's name for people.
    pub name: String,
    /// The rule's version.
    pub version: u64,
    /// The rule's `key_by`.
    pub key_by: Json,
    /// The key.
    pub key: Json,
    /// User of the cause event, if known.
    pub guid: Option<OwnedGuid>,
    /// The cause; null for keys that satisfied the rule at its publish.
    pub cause: Option<Cause<'static>>,
    /// Instant of the firing on the ingest clock, unix ms.
    pub fired_at: i64,
    /// Outputs of every condition at the firing.
    pub values: Map<String, Json>,
    /// Whether the key belongs to the holdout: recorded, not to be acted on.
    pub held_out: bool,
    /// The rule's action.
    pub action: Json,
}

impl Trigger {
    /// Id of the firing by a cause, for a key, of the rule that was first published at `first_published` (unix
    /// ms).
    ///
    /// It is a hash of these and of the partition, offset and time of the cause, each text behind its length:
    /// other parts never make up the same bytes. So neither an event at the same place of another log, nor the
    /// same rule published again after its end, repeats an id.
    pub fn id(rule_id: &str, first_published: i64, key: &str, cause: Option<&Cause<'_>>) -> String {
        let mut parts = Vec::with_capacity(rule_id.len() + key.len() + 96);
        push_text(rule_id, &mut parts);
        parts.extend(first_published.to_le_bytes());
        push_text(key, &mut parts);
        if let Some(cause) = cause {
            parts.extend(cause.partition.0.to_le_bytes());
            parts.extend(cause.offset.0.to_le_bytes());
            parts.extend(cause.event_time.to_le_bytes());
            if let Some((condition, deadline)) = cause.condition.as_ref().zip(cause.deadline) {
                push_text(condition, &mut parts);
                parts.extend(deadline.to_le_bytes());
            }
        }
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(xxh3_128(&parts).to_be_bytes()) {
            pair.copy_from_slice(&json::hex(byte));
        }
        // Digits are ASCII.
        std::str::from_utf8(&digits).unwrap_or_default().to_owned()
    }
}

/// Appends a text behind its length.
fn push_text(text: &str, parts: &mut Vec<u8>) {
    parts.extend((text.len() as u64).to_le_bytes());
    parts.extend(text.as_bytes());
}

/// A trigger on its way to the sinks: the line to write, and the fields that sinks and meters read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// The trigger's id.
    pub trigger_id: String,
    /// The rule.
    pub rule_id: String,
    /// The rule's name for people.
    pub name: String,
    /// The key, as JSON text.
    pub key: String,
    /// `channel` of the action, which selects the sinks.
    pub channel: Option<String>,
    /// Whether the key belongs to the holdout: recorded, not to be acted on.
    pub held_out: bool,
    /// Wall clock at which the source read the cause, unix µs; 0 for timers.
    pub seen: u64,
    /// The trigger as one line of JSON.
    pub line: String,
}

impl Fired {
    /// Reads the trigger from its line.
    ///
    /// # Errors
    /// If the line is not a trigger.
    pub fn read(&self) -> serde_json::Result<Trigger> {
        serde_json::from_str(&self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(offset: u64, event_time: i64, timer: Option<(&'static str, i64)>) -> Cause<'static> {
        Cause {
            partition: PartitionId(0),
            offset: Offset(offset),
            event_id: "A".into(),
            event_time,
            condition: timer.map(|(condition, _)| condition.into()),
            deadline: timer.map(|(_, deadline)| deadline),
        }
    }

    #[test]
    fn an_id_is_repeated_by_the_same_cause_alone() {
        let of = |rule: &str, published: i64, key: &str, cause: &Cause<'_>| {
            Trigger::id(rule, published, key, Some(cause))
        };
        let event = cause(7, 1_000, None);
        let ids = [
            of("r", 1, "k", &event),
            of("r", 2, "k", &event),
            of("r", 1, "k", &cause(7, 1_001, None)),
            of("r", 1, "k", &cause(8, 1_000, None)),
            of("r", 1, "k", &cause(7, 1_000, Some(("c", 5)))),
            of("r", 1, "k", &cause(7, 1_000, Some(("c", 6)))),
            of("r", 1, "k", &cause(7, 1_000, Some(("d", 5)))),
            Trigger::id("r", 1, "k", None),
            Trigger::id("r", 2, "k", None),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{at}");
        }
        assert_eq!(ids[0], of("r", 1, "k", &event.clone()));
    }

    #[test]
    fn texts_that_look_like_the_border_between_two_parts_are_part_of_their_text() {
        let ids = |pairs: [(&str, &str); 2]| pairs.map(|(rule, key)| Trigger::id(rule, 0, key, None));
        for pairs in [[("a\0b", "c"), ("a", "b\0c")], [("ab", "c"), ("a", "bc")], [("", "ab"), ("ab", "")]] {
            let [one, other] = ids(pairs);
            assert_ne!(one, other, "{pairs:?}");
        }
    }
}
