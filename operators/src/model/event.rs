//! Decoded events.

use xxhash_rust::xxh3::Xxh3;

use super::{field::Field, guid::Guid, value::Value};

/// A decoded event. Its texts borrow from the record, except where the JSON has escapes.
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// The event's own time, unix ms, never negative; also the value at [`Field::EVENT_TIME`].
    pub event_time: i64,
    /// Values by field position; as many as the `Fields` it was decoded with.
    pub values: Vec<Option<Value<'a>>>,
    /// Number of values that were left out, as they can't be what their names say.
    pub unusable: u32,
}

impl<'a> Event<'a> {
    /// Value of a field, if the event carries it.
    pub fn get(&self, field: Field) -> Option<&Value<'a>> {
        self.values.get(field.index())?.as_ref()
    }

    /// The user, if known.
    #[inline]
    pub fn guid(&self) -> Option<Guid<'_>> {
        Guid::of_value(self.get(Field::GUID)?)
    }

    /// What identifies the message: a hash of its id, of the event's id and of its time; `None` if it has no id.
    #[inline]
    pub fn message(&self) -> Option<u64> {
        let Some(Value::Text(id)) = self.get(Field::MESSAGE_ID) else { return None };
        Some(message(id, self.event_id(), self.event_time))
    }

    /// The event's kind. Empty only in an event that was not decoded.
    pub fn event_id(&self) -> &str {
        match self.get(Field::EVENT_ID) {
            Some(Value::Text(t)) => t,
            _ => "",
        }
    }
}

/// Hash of what identifies a message. Stored state holds it, so it must stay as it is.
#[cold]
fn message(id: &str, event_id: &str, event_time: i64) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(id.as_bytes());
    hash.update(&[0]);
    hash.update(event_id.as_bytes());
    hash.update(&[0]);
    hash.update(&event_time.to_le_bytes());
    hash.digest()
}
