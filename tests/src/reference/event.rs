//! Events, parsed from lines.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::value::Value;

/// Names of top-level fields; every other name is a property.
const TOP_LEVEL: [&str; 6] = ["guid", "device_id", "ip", "session_id", "event_id", "event_time"];

/// An event: its time, its id, and its values by name.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) offset: u64,
    pub(crate) id: String,
    pub(crate) time: i64,
    pub(crate) guid: Option<u64>,
    top: BTreeMap<&'static str, Value>,
    properties: BTreeMap<String, Value>,
}

impl Event {
    /// Parses a line; the error is the reason why it is no event.
    pub(crate) fn parse(offset: u64, line: &str) -> Result<Self, &'static str> {
        let json: Json = serde_json::from_str(line).map_err(|_| "not JSON")?;
        let fields = json.as_object().ok_or("not an object")?;
        let id = field(fields, &["event_id", "eventId"]).and_then(name_of).filter(|id| !id.is_empty());
        let id = id.ok_or("no event_id")?;
        let time = field(fields, &["event_time", "eventTime", "ts"]).ok_or("no event_time")?;
        let time = time.as_i64().filter(|t| *t >= 0).ok_or("event_time is not an integer, or negative")?;
        let guid = match field(fields, &["guid"]).and_then(Value::from_json) {
            None => None,
            Some(Value::Int(i)) => Some(u64::try_from(i).map_err(|_| "guid is negative")?),
            Some(Value::Text(text)) => Some(text.parse().map_err(|_| "guid is not an integer")?),
            Some(Value::Bool(_) | Value::Float(_)) => return Err("guid is not an integer"),
        };
        let mut top = BTreeMap::new();
        top.insert("event_id", Value::Text(id.clone()));
        top.insert("event_time", Value::Int(time.into()));
        if let Some(guid) = guid {
            top.insert("guid", Value::Int(guid.into()));
        }
        for names in [["device_id", "deviceId"], ["ip", "ip"], ["session_id", "sessionId"]] {
            if let Some(name) = field(fields, &names).and_then(name_of) {
                top.insert(names[0], Value::Text(name));
            }
        }
        let mut properties = BTreeMap::new();
        match fields.get("properties") {
            None | Some(Json::Null) => {}
            Some(Json::Object(carried)) => {
                for (name, value) in carried {
                    if let Some(value) = Value::from_json(value) {
                        properties.insert(name.clone(), value);
                    }
                }
            }
            Some(_) => return Err("properties is not an object"),
        }
        Ok(Self { offset, id, time, guid, top, properties })
    }

    /// Value of a name, be it a top-level field or a property.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        if TOP_LEVEL.contains(&name) { self.top.get(name) } else { self.properties.get(name) }
    }

    /// Value of a property, which `key_by` may name by its path.
    pub(crate) fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// The event as the cause of a trigger.
    pub(crate) fn as_cause(&self) -> Json {
        json!({"partition": 0, "offset": self.offset, "event_id": self.id, "event_time": self.time})
    }
}

/// The first of the spellings that is present and not null.
fn field<'a>(fields: &'a Map<String, Json>, spellings: &[&str]) -> Option<&'a Json> {
    spellings.iter().filter_map(|name| fields.get(*name)).find(|value| !value.is_null())
}

/// A top-level name: a text, or a number in place of one.
fn name_of(json: &Json) -> Option<String> {
    match Value::from_json(json)? {
        Value::Bool(_) => None,
        value => Some(value.to_text()),
    }
}
