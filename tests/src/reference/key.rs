//! Keys: the value of a field, or of several, by which events are grouped.

use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_64;

use super::event::Event;
use super::value::Value;

/// A key: its form in a trigger, and its text, by which it is compared and hashed.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) shown: Json,
    pub(crate) text: String,
}

impl Key {
    /// The key of an event; `None` if the event lacks one of the fields.
    pub(crate) fn of(event: &Event, key_by: &[String]) -> Option<Self> {
        let mut parts: Vec<Json> = Vec::new();
        for field in key_by {
            parts.push(if field == "guid" { event.guid.clone()? } else { Json::from(event.id_of(field)?) });
        }
        let shown = if parts.len() == 1 { parts.remove(0) } else { Json::Array(parts) };
        let text = match &shown {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(Self { shown, text })
    }

    /// Whether the key belongs to the holdout.
    pub(crate) fn held_out(&self, rule_id: &str, share: f64) -> bool {
        let mut bytes = rule_id.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(self.text.as_bytes());
        (xxh3_64(&bytes) as f64) / 2f64.powi(64) < share
    }
}

/// Fields of `key_by`; `guid` if it is absent.
pub(crate) fn parse_key_by(json: Option<&Json>) -> Vec<String> {
    match json {
        None | Some(Json::Null) => vec!["guid".to_owned()],
        Some(Json::String(field)) => vec![field.clone()],
        Some(Json::Array(fields)) => {
            fields.iter().map(|f| f.as_str().expect("a field's name").to_owned()).collect()
        }
        Some(Json::Object(network)) => vec![format!("ip{}", network["ip"].as_str().expect("bits"))],
        Some(other) => panic!("no key_by: {other}"),
    }
}

/// A text that is the same for two values exactly if `distinct` counts them once.
pub(crate) fn distinct_text(value: &Value) -> String {
    match value {
        // Whole floats are spelled as integers.
        Value::Float(float) => float.to_string(),
        value => value.to_text(),
    }
}
