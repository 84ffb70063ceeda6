//! Decoding of a record's bytes to an [`Event`].
//!
//! Only properties that some rule reads are kept; everything else is skipped, but checked to be JSON. Of a
//! name that occurs twice in one object, the last value counts. Any bytes give either an event or a
//! [`DecodeError`] with a remedy.
//!
//! Limits: arrays and objects that nest deeper than 64 levels are refused.
//!
//! - [`Decoder`], over `visit`: any record, by a general JSON reader
//! - [`StreamDecoder`] in `stream`: the usual record in a single pass (`walk`), by the `names` expected
//!   (`key`: one of them), texts without escapes (`text`) and numbers of few digits (`number`); the others by
//!   a `Decoder`

mod key;
mod names;
mod number;
mod stream;
mod text;
mod visit;
mod walk;

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::de::Deserializer as _;
use sonic_rs::{Deserializer, Read, reader::Reader as _};

pub use self::stream::StreamDecoder;
use self::visit::EventVisitor;
use super::{
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
    value::Value,
};

/// Names under which an event carries its top-level fields; of several names, the first that an event carries
/// counts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldNames {
    /// Names of the user's id.
    pub guid: Vec<String>,
    /// Names of the device's id.
    pub device_id: Vec<String>,
    /// Names of the network address.
    pub ip: Vec<String>,
    /// Names of the session's id.
    pub session_id: Vec<String>,
    /// Names of the event's kind.
    pub event_id: Vec<String>,
    /// Names of the event's own time, unix ms.
    pub event_time: Vec<String>,
    /// Names of the object that holds all properties.
    pub properties: Vec<String>,
}

impl Default for FieldNames {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        FieldNames {
            guid: names(&["guid"]),
            device_id: names(&["device_id", "deviceId"]),
            ip: names(&["ip"]),
            session_id: names(&["session_id", "sessionId"]),
            event_id: names(&["event_id", "eventId"]),
            event_time: names(&["event_time", "eventTime", "ts"]),
            properties: names(&["properties"]),
        }
    }
}

/// Error of decoding a record, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing but white space.
    #[error("the record is empty; write one JSON object")]
    Empty,
    /// The first character is not that of a JSON object.
    #[error(
        "the record is not a JSON object; write {{\"event_id\": .., \"event_time\": .., \"properties\": {{..}}}}"
    )]
    NotObject,
    /// Not UTF-8; the position of the first invalid byte.
    #[error("byte {0} is not UTF-8; write the record in UTF-8")]
    NotUtf8(usize),
    /// Not JSON.
    #[error("broken JSON: {0}")]
    Broken(String),
    /// A required field is missing; its name and a remedy.
    #[error("`{0}` is missing; {1}")]
    Missing(&'static str, &'static str),
    /// A field has a value that it can't have.
    #[error("`{field}` is {found}; write {right}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// The value found.
        found: String,
        /// The values allowed.
        right: &'static str,
    },
}

const TIME: &str = "unix milliseconds as an integer, such as 1766000000123";

/// Decodes records to events. Immutable; shared by threads.
///
/// ```
/// use strateye_operators::model::{decode::Decoder, event::Event, field::Fields, value::Value};
///
/// let mut fields = Fields::default();
/// let amount = fields.intern("amt");
/// let line = br#"{"event_id": "pay", "event_time": 1766000000123, "guid": 7, "properties": {"amt": 2.5}}"#;
/// let event: Event<'_> = Decoder::default().decode(&fields, line)?;
/// assert_eq!((event.event_id(), event.guid), ("pay", Some(7)));
/// assert_eq!(event.get(amount), Some(&Value::Float(2.5)));
/// # Ok::<(), strateye_operators::model::decode::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    names: Vec<(Box<str>, Role)>,
}

/// Meaning of a top-level name.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// A top-level field, and the rank of this name among the field's names; the least rank counts.
    Field(Field, usize),
    Properties,
    Other,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(&FieldNames::default())
    }
}

impl Decoder {
    /// A decoder for events that use these names.
    pub fn new(names: &FieldNames) -> Self {
        // In the order of TOP_LEVEL.
        let top =
            [&names.guid, &names.device_id, &names.ip, &names.session_id, &names.event_id, &names.event_time];
        let top = top.into_iter().enumerate().flat_map(|(field, names)| {
            names.iter().enumerate().map(move |(rank, name)| (name, Role::Field(Field(field as u16), rank)))
        });
        let properties = names.properties.iter().map(|name| (name, Role::Properties));
        Decoder { names: top.chain(properties).map(|(name, role)| (name.as_str().into(), role)).collect() }
    }

    /// Decodes one record. The event has a value for each of `fields` that the record carries.
    ///
    /// # Errors
    /// If the record is no event.
    pub fn decode<'a>(&self, fields: &Fields, record: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        match record.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => {}
            Some(_) => return Err(DecodeError::NotObject),
            None => return Err(DecodeError::Empty),
        }
        let reader = Read::from(record);
        if reader.check_utf8_final().is_err() {
            return Err(DecodeError::NotUtf8(reader.next_invalid_utf8()));
        }
        let mut found = Collected::new(fields);
        let mut json = Deserializer::new(reader);
        json.deserialize_map(EventVisitor { decoder: self, fields, found: &mut found })
            .and_then(|()| json.end())
            .map_err(|e| DecodeError::Broken(e.to_string().lines().next().unwrap_or_default().to_owned()))?;
        found.event()
    }

    /// The event's own time, unix ms; `None` if the record is no event.
    pub fn event_time(&self, record: &[u8]) -> Option<i64> {
        self.decode(&Fields::default(), record).ok().map(|event| event.event_time)
    }

    fn role(&self, name: &str) -> Role {
        self.names.iter().find(|(n, _)| **n == *name).map_or(Role::Other, |(_, role)| *role)
    }
}

/// Values collected while a record is read.
struct Collected<'a> {
    values: Vec<Option<Value<'a>>>,
    /// Rank of the name by which each top-level field was read; `usize::MAX` if none was.
    ranks: [usize; TOP_LEVEL.len()],
    /// Kind of the value found in place of the properties, if it is no object.
    no_properties: Option<&'static str>,
}

impl<'a> Collected<'a> {
    fn new(fields: &Fields) -> Self {
        Self::reusing(Vec::with_capacity(fields.len()), fields)
    }

    /// Collects into the memory of `values`, which are empty.
    fn reusing(mut values: Vec<Option<Value<'a>>>, fields: &Fields) -> Self {
        values.resize_with(fields.len(), || None);
        Collected { values, ranks: [usize::MAX; TOP_LEVEL.len()], no_properties: None }
    }

    fn event(mut self) -> Result<Event<'a>, DecodeError> {
        if let Some(found) = self.no_properties {
            let right = "an object, such as {\"amt\": 25.5}";
            return Err(DecodeError::Wrong { field: "properties", found: found.to_owned(), right });
        }
        let guid = self.guid()?;
        for field in [Field::DEVICE_ID, Field::IP, Field::SESSION_ID, Field::EVENT_ID] {
            let value = &mut self.values[field.index()];
            match value {
                Some(number @ (Value::Int(_) | Value::Float(_))) => {
                    *number = Value::Text(Cow::Owned(number.text().into_owned()));
                }
                Some(Value::Bool(_)) => *value = None,
                Some(Value::Text(_)) | None => {}
            }
        }
        match &self.values[Field::EVENT_ID.index()] {
            Some(Value::Text(id)) if !id.is_empty() => {}
            _ => {
                return Err(DecodeError::Missing(
                    "event_id",
                    "write what kind of event it is, such as \"search\"",
                ));
            }
        }
        let wrong = |found: String| DecodeError::Wrong { field: "event_time", found, right: TIME };
        let event_time = match &self.values[Field::EVENT_TIME.index()] {
            Some(Value::Int(time)) if *time >= 0 => *time,
            Some(Value::Int(time)) => return Err(wrong(format!("negative ({time})"))),
            Some(other) => return Err(wrong(describe(other))),
            None => {
                return Err(DecodeError::Missing(
                    "event_time",
                    "write when it happened in unix milliseconds, such as 1766000000123",
                ));
            }
        };
        Ok(Event { guid, event_time, values: self.values })
    }

    fn guid(&mut self) -> Result<Option<u64>, DecodeError> {
        let value = &mut self.values[Field::GUID.index()];
        let guid = match value.as_ref() {
            None => return Ok(None),
            Some(Value::Int(i)) => u64::try_from(*i).ok(),
            Some(Value::Text(t)) if t.bytes().all(|b| b.is_ascii_digit()) => t.parse().ok(),
            Some(_) => None,
        };
        let Some(guid) = guid else {
            let found = value.as_ref().map(describe).unwrap_or_default();
            return Err(DecodeError::Wrong {
                field: "guid",
                found,
                right: "an unsigned integer, such as 1001, or leave it out",
            });
        };
        *value =
            Some(i64::try_from(guid).map_or_else(|_| Value::Text(Cow::Owned(guid.to_string())), Value::Int));
        Ok(Some(guid))
    }
}

fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Text(t) => format!("the text {:?}", t.chars().take(40).collect::<String>()),
        other => other.text().into_owned(),
    }
}
