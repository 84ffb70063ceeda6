//! Messages from a process to its supervisor, one JSON object each: `{"KIND": ..}`.
//!
//! **Invariant**: both ends use this type, and the supervisor logs a message that is none of these as an
//! error. A cluster runs one build, so such a message is a fault, not an older release.

use std::collections::BTreeMap;

use operators::model::{
    epoch::Epoch,
    ids::{Offset, PartitionId},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::numbers::Numbers;

/// A message from a process to its supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Counters and gauges of a worker.
    Numbers(Box<Numbers>),
    /// A rule document was refused.
    Rejected(Rejection),
    /// A rule was taken out of force for its failing calls.
    Quarantined(Stopped),
    /// A rule was paused because it fired far more than it used to.
    Broken(Stopped),
    /// A change of one rule is in force on all workers.
    Rule(RuleInForce),
    /// A change set is in force on all workers from this epoch on.
    InForce(Epoch),
}

/// A rule document that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// File or row of the document.
    pub origin: String,
    /// Fault, and what to write instead.
    pub reason: String,
}

/// A rule that the engine itself stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Id of the rule.
    pub rule_id: String,
    /// Why it was stopped.
    pub reason: String,
}

/// A change of a rule that is in force on all workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInForce {
    /// Id of the rule.
    pub rule_id: String,
    /// Version of the rule.
    pub version: u64,
    /// New state of the rule: `live`, `paused`, `quarantined` or `removed`.
    pub state: String,
    /// First epoch that the change holds for.
    pub epoch: Epoch,
    /// Time from the reading of the change to its taking force, ms.
    pub took_ms: u64,
    /// Whether the rule is merely in force again after a restart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// First offsets that the change holds for, by partition; `None` after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_cut: Option<BTreeMap<PartitionId, Offset>>,
}

/// A message of a kind that [`Message`] does not have.
#[derive(Debug, thiserror::Error)]
#[error("not a message of this build ({0}); start all processes of the cluster from one build")]
pub struct UnknownMessage(#[from] serde_json::Error);

impl Message {
    /// The message as JSON.
    pub fn to_json(&self) -> Json {
        // Plain data always serializes.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// If the JSON is not a [`Message`].
    pub fn from_json(json: Json) -> Result<Self, UnknownMessage> {
        Ok(serde_json::from_value(json)?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_force(resumed: bool, live_cut: Option<BTreeMap<PartitionId, Offset>>) -> Message {
        Message::Rule(RuleInForce {
            rule_id: "r".into(),
            version: 2,
            state: "live".into(),
            epoch: Epoch(9),
            took_ms: 4,
            resumed,
            live_cut,
        })
    }

    #[test]
    fn messages_are_the_json_that_they_always_were_and_read_back() {
        let stopped = || Stopped { rule_id: "r".into(), reason: "why".into() };
        let rejection = Rejection { origin: "a.json".into(), reason: "why".into() };
        let numbers = Numbers { worker: 3, lags: [(PartitionId(5), 9)].into(), ..Numbers::default() };
        for (message, text) in [
            (Message::Rejected(rejection), r#"{"rejected":{"origin":"a.json","reason":"why"}}"#),
            (Message::Quarantined(stopped()), r#"{"quarantined":{"rule_id":"r","reason":"why"}}"#),
            (Message::Broken(stopped()), r#"{"broken":{"rule_id":"r","reason":"why"}}"#),
            (
                in_force(true, None),
                r#"{"rule":{"rule_id":"r","version":2,"state":"live","epoch":9,"took_ms":4,"resumed":true}}"#,
            ),
            (
                in_force(false, Some([(PartitionId(1), Offset(7))].into())),
                r#"{"rule":{"rule_id":"r","version":2,"state":"live","epoch":9,"took_ms":4,"live_cut":{"1":7}}}"#,
            ),
            (Message::InForce(Epoch(9)), r#"{"in_force":9}"#),
            (Message::Numbers(Box::new(numbers.clone())), &json!({"numbers": numbers}).to_string()),
        ] {
            let json = message.to_json();
            assert_eq!(json.to_string(), text);
            assert_eq!(Message::from_json(json).unwrap().to_json().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for json in [
            json!({"gossip": 1}),
            json!({"rejected": {"origin": "a.json"}}),
            json!({"in_force": "soon"}),
            json!({}),
            json!(null),
        ] {
            let text = json.to_string();
            assert!(Message::from_json(json).unwrap_err().to_string().contains("from one build"), "{text}");
        }
    }
}
