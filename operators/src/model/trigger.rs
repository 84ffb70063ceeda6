//! Triggers: what the engine is for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use xxhash_rust::xxh3::xxh3_128;

/// The event that made a rule fire; for a timer, the event that set it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// What kind of event.
    pub event_id: String,
    /// Its own time, unix ms.
    pub event_time: i64,
    /// The condition whose timer ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// When that timer was due, unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
}

/// A rule fired for a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// The same for the same rule, key and cause, whatever happened in between: receivers drop repeats by it.
    pub trigger_id: String,
    /// The rule.
    pub rule_id: String,
    /// The rule's name for people.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// What it is keyed by.
    pub key_by: Json,
    /// The key.
    pub key: Json,
    /// The cause event's user, if known.
    pub guid: Option<u64>,
    /// The event behind it; null for keys that satisfied the rule at publish.
    pub cause: Option<Cause>,
    /// When, on the ingest clock, unix ms.
    pub fired_at: i64,
    /// Every condition's outputs then.
    pub values: Map<String, Json>,
    /// Only recorded, not to be acted on.
    pub held_out: bool,
    /// What to do.
    pub action: Json,
    /// Wall clock when the source read the cause, unix µs; 0 for timers.
    #[serde(skip)]
    pub seen: u64,
}

impl Trigger {
    /// The id of a rule's firing for a key by a cause.
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

/// A trigger on its way to the sinks: the line that is written, and what sinks and meters ask of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// The trigger's id.
    pub trigger_id: String,
    /// The rule.
    pub rule_id: String,
    /// The rule's name for people.
    pub name: String,
    /// The key as JSON.
    pub key: String,
    /// The `channel` of its action, by which sinks are chosen.
    pub channel: Option<String>,
    /// Only recorded, not to be acted on.
    pub held_out: bool,
    /// Wall clock when the source read the cause, unix µs; 0 for timers.
    pub seen: u64,
    /// The trigger as one line of JSON.
    pub line: String,
}

impl From<Trigger> for Fired {
    fn from(trigger: Trigger) -> Self {
        Fired {
            // Maps with text keys and plain values always serialize.
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
