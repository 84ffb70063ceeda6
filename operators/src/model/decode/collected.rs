//! From the values of a record to an event.

use std::borrow::Cow;

use super::{
    DecodeError, Decoder, json,
    paths::{self, Member},
    roles::{NONE, Role},
};
use crate::model::{
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
    guid,
    value::Value,
};

/// Values collected while a record is read.
pub(super) struct Collected<'a> {
    pub(super) values: Vec<Option<Value<'a>>>,
    /// Rank of the name by which each top-level field was read; [`NONE`] if none was.
    ranks: [u8; TOP_LEVEL.len()],
    /// Whether something stands where an object of properties may be, other than `null`.
    pub(super) has_properties: bool,
    /// Properties in which paths may go on.
    pub(super) objects: Vec<Member<'a>>,
    /// Number of values that can't be what their names say.
    unusable: u32,
}

impl<'a> Collected<'a> {
    pub(super) fn new(fields: &Fields) -> Self {
        Self::reusing(Vec::with_capacity(fields.len()), fields)
    }

    /// Collects into the memory of `values`, which are empty.
    pub(super) fn reusing(mut values: Vec<Option<Value<'a>>>, fields: &Fields) -> Self {
        values.resize_with(fields.len(), || None);
        Collected {
            values,
            ranks: [NONE; TOP_LEVEL.len()],
            has_properties: false,
            objects: Vec::new(),
            unusable: 0,
        }
    }

    /// Takes a top-level member, whose value is given as JSON.
    pub(super) fn member(&mut self, role: Role, json: &'a str, fields: &Fields) {
        for (field, rank) in role.fields() {
            let value = json::scalar(json);
            self.unusable += u32::from(json.starts_with(['[', '{']));
            let best = &mut self.ranks[field.index()];
            if value.is_some() && rank <= *best {
                *best = rank;
                self.values[field.index()] = value;
            }
        }
        if role.is_properties && json != "null" {
            self.has_properties = true;
            let members = json::members(json, |name, value| self.property(name, value, fields));
            // Some languages write an empty object as an empty list.
            let is_empty = json.starts_with('[') && json[1..].trim_start() == "]";
            self.unusable += u32::from(members.is_err() && !is_empty);
        }
    }

    /// Takes a property, if a rule reads it or what lies in it; its value is given as JSON.
    pub(super) fn property(&mut self, name: Cow<'a, str>, json: &'a str, fields: &Fields) {
        if let Some(place) = fields.property(&name).and_then(|field| self.values.get_mut(field.index())) {
            *place = json::value(json);
        }
        if fields.is_beginning(&name) {
            self.objects.push((name, json));
        }
    }

    /// Finds the values that lie in objects.
    #[cold]
    fn follow_paths(&mut self, fields: &Fields) {
        for field in fields.paths() {
            let value = &mut self.values[field.index()];
            if value.is_none() {
                *value = paths::find(&self.objects, fields.name(*field));
            }
        }
    }

    /// Whether the properties are among the top-level members.
    pub(super) fn is_flat(&self) -> bool {
        !self.has_properties
    }

    /// The event with these values.
    pub(super) fn event(mut self, decoder: &Decoder, fields: &Fields) -> Result<Event<'a>, DecodeError> {
        if !self.objects.is_empty() {
            self.follow_paths(fields);
        }
        self.guid();
        for field in [Field::DEVICE_ID, Field::IP, Field::SESSION_ID, Field::EVENT_ID, Field::MESSAGE_ID] {
            self.name(field);
        }
        for field in [Field::GUID, Field::DEVICE_ID, Field::IP, Field::SESSION_ID, Field::MESSAGE_ID] {
            let value = &mut self.values[field.index()];
            if value.as_ref().is_some_and(|id| decoder.no_ids.contain(id)) {
                *value = None;
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
        let time = &mut self.values[Field::EVENT_TIME.index()];
        let event_time = match time {
            Some(value) => decoder.times.read(value)?,
            None => {
                return Err(DecodeError::Missing(
                    "event_time",
                    "write when it happened in unix milliseconds, such as 1766000000123",
                ));
            }
        };
        *time = Some(Value::Int(event_time));
        Ok(Event { event_time, values: self.values, unusable: self.unusable })
    }

    /// Makes the value of a field that is a name a text: a number in place of one is meant as such.
    fn name(&mut self, field: Field) {
        let value = &mut self.values[field.index()];
        match value {
            Some(number @ (Value::Int(_) | Value::Float(_))) => {
                *number = Value::Text(Cow::Owned(number.text().into_owned()));
            }
            Some(Value::Bool(_)) => {
                *value = None;
                self.unusable += 1;
            }
            Some(Value::Text(_) | Value::Nested(_)) | None => {}
        }
    }

    /// Makes the value of the user one that spells it in the one way there is.
    #[inline]
    fn guid(&mut self) {
        let value = &mut self.values[Field::GUID.index()];
        if let Some(found) = value.take() {
            *value = guid::read(found);
            self.unusable += u32::from(value.is_none());
        }
    }
}
