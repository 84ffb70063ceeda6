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
    /// The same for the same rule, key and cause in every run and after every recovery; receivers drop
    /// repeats by it.
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
    /// Id of the firing of a rule for a key by a cause.
    pub fn id(rule_id: &str, key: &str, cause: Option<&Cause<'_>>) -> String {
        let mut name = String::with_capacity(rule_id.len() + key.len() + 64);
        for part in [rule_id, "\0", key, "\0"] {
            name.push_str(part);
        }
        match cause {
            None => name.push_str("publish"),
            Some(cause) => {
                json::integer(cause.partition.0, &mut name);
                name.push('\0');
                json::integer(cause.offset.0, &mut name);
                if let Some((condition, deadline)) = cause.condition.as_ref().zip(cause.deadline) {
                    for part in ["\0", condition, "\0"] {
                        name.push_str(part);
                    }
                    json::integer(deadline, &mut name);
                }
            }
        }
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(xxh3_128(name.as_bytes()).to_be_bytes()) {
            pair.copy_from_slice(&json::hex(byte));
        }
        // Digits are ASCII.
        std::str::from_utf8(&digits).unwrap_or_default().to_owned()
    }
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
