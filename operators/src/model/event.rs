//! Decoded events.

use super::{field::Field, value::Value};

/// A decoded event. Its texts borrow from the record, except where the JSON has escapes.
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// The user, if known; also the value at [`Field::GUID`].
    pub guid: Option<u64>,
    /// The event's own time, unix ms, never negative; also the value at [`Field::EVENT_TIME`].
    pub event_time: i64,
    /// Values by field position; as many as the `Fields` it was decoded with.
    pub values: Vec<Option<Value<'a>>>,
}

impl<'a> Event<'a> {
    /// Value of a field, if the event carries it.
    pub fn get(&self, field: Field) -> Option<&Value<'a>> {
        self.values.get(field.index())?.as_ref()
    }

    /// The event's kind. Empty only in an event that was not decoded.
    pub fn event_id(&self) -> &str {
        match self.get(Field::EVENT_ID) {
            Some(Value::Text(t)) => t,
            _ => "",
        }
    }
}
