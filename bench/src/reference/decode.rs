//! Decoding of a record's bytes to an event.

use std::borrow::Cow;

use serde::de::Deserializer as _;
use sonic_rs::{Deserializer, Read, reader::Reader as _};

use super::{EVENT_ID, EVENT_TIME, Event, Fields, GUID, TOP_LEVEL, Value, visit::EventVisitor};

/// Names of the top-level fields, by their positions; the first name that an event carries counts.
const NAMES: [&[&str]; TOP_LEVEL] = [
    &["guid"],
    &["device_id", "deviceId"],
    &["ip"],
    &["session_id", "sessionId"],
    &["event_id", "eventId"],
    &["event_time", "eventTime", "ts"],
];

/// Meaning of a top-level name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// A top-level field's position, and the rank of this name among its names.
    Field(usize, usize),
    Properties,
    Other,
}

/// Decodes records to events.
#[derive(Clone, Debug)]
pub struct Decoder {
    names: Vec<(Box<str>, Role)>,
}

impl Default for Decoder {
    fn default() -> Self {
        let top = NAMES.iter().enumerate().flat_map(|(field, names)| {
            names.iter().enumerate().map(move |(rank, name)| ((*name).into(), Role::Field(field, rank)))
        });
        Decoder { names: top.chain([("properties".into(), Role::Properties)]).collect() }
    }
}

impl Decoder {
    /// Decodes one record.
    ///
    /// # Errors
    /// If the record is no event: the fault as text.
    pub fn decode<'a>(&self, fields: &Fields, record: &'a [u8]) -> Result<Event<'a>, String> {
        match record.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => {}
            Some(_) => return Err("the record is not a JSON object".into()),
            None => return Err("the record is empty".into()),
        }
        let reader = Read::from(record);
        if reader.check_utf8_final().is_err() {
            return Err(format!("byte {} is not UTF-8", reader.next_invalid_utf8()));
        }
        let mut values = Vec::with_capacity(fields.len());
        values.resize_with(fields.len(), || None);
        let mut found = Collected { values, ranks: [usize::MAX; TOP_LEVEL], no_properties: None };
        let mut json = Deserializer::new(reader);
        json.deserialize_map(EventVisitor { decoder: self, fields, found: &mut found })
            .and_then(|()| json.end())
            .map_err(|error| format!("broken JSON: {error}"))?;
        found.event()
    }

    pub(super) fn role(&self, name: &str) -> Role {
        self.names.iter().find(|(n, _)| **n == *name).map_or(Role::Other, |(_, role)| *role)
    }
}

/// Values collected while a record is read.
pub(super) struct Collected<'a> {
    pub(super) values: Vec<Option<Value<'a>>>,
    /// Rank of the name by which each top-level field was read; `usize::MAX` if none was.
    pub(super) ranks: [usize; TOP_LEVEL],
    /// Kind of the value found in place of the properties, if it is no object.
    pub(super) no_properties: Option<&'static str>,
}

impl<'a> Collected<'a> {
    fn event(mut self) -> Result<Event<'a>, String> {
        if let Some(found) = self.no_properties {
            return Err(format!("`properties` is {found}"));
        }
        let guid = self.guid()?;
        for value in &mut self.values[GUID + 1..=EVENT_ID] {
            *value = match value.take() {
                Some(Value::Int(number)) => Some(Value::Text(Cow::Owned(number.to_string()))),
                Some(Value::Float(number)) => Some(Value::Text(Cow::Owned(number.to_string()))),
                Some(Value::Bool(_)) | None => None,
                text => text,
            };
        }
        match &self.values[EVENT_ID] {
            Some(Value::Text(id)) if !id.is_empty() => {}
            _ => return Err("`event_id` is missing".into()),
        }
        match &self.values[EVENT_TIME] {
            Some(Value::Int(time)) if *time >= 0 => {
                Ok(Event { guid, event_time: *time, values: self.values })
            }
            _ => Err("`event_time` is not unix milliseconds".into()),
        }
    }

    fn guid(&mut self) -> Result<Option<u64>, String> {
        let value = &mut self.values[GUID];
        let guid = match value.as_ref() {
            None => return Ok(None),
            Some(Value::Int(i)) => u64::try_from(*i).ok(),
            Some(Value::Text(t)) if t.bytes().all(|b| b.is_ascii_digit()) => t.parse().ok(),
            Some(_) => None,
        };
        let Some(guid) = guid else {
            return Err("`guid` is not an unsigned integer".into());
        };
        *value =
            Some(i64::try_from(guid).map_or_else(|_| Value::Text(Cow::Owned(guid.to_string())), Value::Int));
        Ok(Some(guid))
    }
}
