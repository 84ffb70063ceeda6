//! Triggers: the output of the engine.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

use super::ids::{Offset, PartitionId};

/// The event that made a rule fire; for a timer, the event that armed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset in the partition.
    pub offset: Offset,
    /// Its kind.
    pub event_id: String,
    /// Its own time, unix ms.
    pub event_time: i64,
    /// For a timer: the condition that armed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// For a timer: its deadline, unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
}

/// A firing of a rule for a key.
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
    pub guid: Option<u64>,
    /// The cause; null for keys that satisfied the rule at its publish.
    pub cause: Option<Cause>,
    /// Instant of the firing on the ingest clock, unix ms.
    pub fired_at: i64,
    /// Outputs of every condition at the firing.
    pub values: Map<String, Json>,
    /// Whether the key belongs to the holdout: recorded, not to be acted on.
    pub held_out: bool,
    /// The rule's action.
    pub action: Json,
    /// Wall clock at which the source read the cause, unix µs; 0 for timers.
    #[serde(skip)]
    pub seen: u64,
}

impl Trigger {
    /// Id of the firing of a rule for a key by a cause.
    pub fn id(rule_id: &str, key: &str, cause: Option<&Cause>) -> String {
        let cause = match cause {
            None => "publish".to_owned(),
            Some(Cause {
                partition, offset, condition: Some(condition), deadline: Some(deadline), ..
            }) => {
                format!("{partition}\0{offset}\0{condition}\0{deadline}")
            }
            Some(Cause { partition, offset, .. }) => format!("{partition}\0{offset}"),
        };
        format!("{:032x}", xxh3_128(format!("{rule_id}\0{key}\0{cause}").as_bytes()))
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

impl From<Trigger> for Fired {
    fn from(trigger: Trigger) -> Self {
        Fired {
            // A map with text keys and plain values always serializes.
            line: serde_json::to_string(&trigger).unwrap_or_default(),
            key: trigger.key.to_string(),
            channel: trigger.action.get("channel").and_then(Json::as_str).map(str::to_owned),
            trigger_id: trigger.trigger_id,
            rule_id: trigger.rule_id,
            name: trigger.name,
            held_out: trigger.held_out,
            seen: trigger.seen,
        }
    }
}
