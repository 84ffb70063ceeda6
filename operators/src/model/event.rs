//! One thing a user did.

use super::{field::Field, value::Value};

/// A decoded event. It borrows its texts from the record where the JSON has no escapes.
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// The user, if known. Also at [`Field::GUID`] in the values.
    pub guid: Option<u64>,
    /// The producer's own time, unix ms, never negative. Also at [`Field::EVENT_TIME`] in the values.
    pub event_time: i64,
    /// Values by field position; as long as the rule book's `Fields`.
    pub values: Vec<Option<Value<'a>>>,
}

impl<'a> Event<'a> {
    /// The value of a field, if the event carries it.
    pub fn get(&self, field: Field) -> Option<&Value<'a>> {
        self.values.get(field.index())?.as_ref()
    }

    /// What kind of event it is. Empty only in an event that was not decoded.
    pub fn event_id(&self) -> &str {
        match self.get(Field::EVENT_ID) {
            Some(Value::Text(t)) => t,
            _ => "",
        }
    }
}
