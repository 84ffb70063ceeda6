//! Decoding of a record's bytes to an [`Event`].
//!
//! Only properties that some rule reads are kept; everything else is passed over, but checked to be JSON. Of a
//! name that occurs twice in one object, the last value counts. Any bytes give either an event or a
//! [`DecodeError`] with a remedy.
//!
//! **Invariants**
//! - A detail that can't be used never loses the event: it is absent, and counted in [`Event::unusable`]. Only
//!   without an id or a time there is no event.
//! - A record without an object of properties is a flat row: the names that serve no top-level field are its
//!   properties.
//!
//! - `format`: how events are written; `preset`: how other systems write them; `time`: their times
//! - [`Decoder`], over `json`: any record, by a general JSON reader
//! - [`StreamDecoder`] in `stream`: the usual record in a single pass (`walk`), by the `names` expected
//!   (`key`: one of them), texts without escapes (`text`) and numbers of few digits (`number`); the others by
//!   a `Decoder`
//! - `collected`: from the values of either to an event; `paths`: values in objects within the properties

mod collected;
mod format;
pub(super) mod json;
mod key;
mod names;
mod number;
mod paths;
mod preset;
mod roles;
mod stream;
mod text;
mod time;
mod walk;

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

pub(crate) use self::time::{instant, instant_of};
use self::{collected::Collected, roles::Roles, time::Times};
pub use self::{
    format::{EventFormat, NoIds},
    preset::Preset,
    stream::StreamDecoder,
    time::TimeUnit,
};
use super::{
    event::Event,
    field::{Field, Fields, TOP_LEVEL},
    value::Value,
};

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

/// Values of an object, by the positions in `fields` of the properties that are called like its members.
pub(crate) fn values_of<'a>(object: &'a str, fields: &Fields) -> Vec<Option<Value<'a>>> {
    let mut members = Vec::new();
    // It is valid, or the decoder would not have passed it.
    let _ = json::members(object, |name, value| members.push((name, value)));
    let properties = (TOP_LEVEL.len()..fields.len()).map(|at| Field(at as u32));
    let values = properties.map(|field| paths::find(&members, fields.name(field)));
    std::iter::repeat_n(None, TOP_LEVEL.len()).chain(values).collect()
}

/// Most members of a record that are read without an allocation.
const FEW: usize = 16;

/// Decodes records to events. Immutable; shared by threads.
///
/// ```
/// use strateye_operators::model::{decode::Decoder, event::Event, field::Fields, guid::Guid, value::Value};
///
/// let mut fields = Fields::default();
/// let amount = fields.intern("amt");
/// let line = br#"{"event_id": "pay", "event_time": 1766000000123, "guid": 7, "properties": {"amt": 2.5}}"#;
/// let event: Event<'_> = Decoder::default().decode(&fields, line)?;
/// assert_eq!((event.event_id(), event.guid()), ("pay", Some(Guid::Number(7))));
/// assert_eq!(event.get(amount), Some(&Value::Float(2.5)));
/// # Ok::<(), strateye_operators::model::decode::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    roles: Roles,
    times: Times,
    no_ids: NoIds,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(&EventFormat::default())
    }
}

impl Decoder {
    /// A decoder for events that are written so.
    pub fn new(format: &EventFormat) -> Self {
        Decoder {
            roles: Roles::new(format),
            times: Times::new(format.event_time_unit, format.zone.as_ref()),
            no_ids: NoIds::new(&format.absent),
        }
    }

    /// A decoder by the default names, for events whose times are unix ms of any year.
    pub fn of_milliseconds() -> Self {
        Decoder::new(&EventFormat::of_milliseconds())
    }

    /// Texts that stand for no id.
    pub fn no_ids(&self) -> &NoIds {
        &self.no_ids
    }

    /// Decodes one record. The event has a value for each of `fields` that the record carries.
    ///
    /// # Errors
    /// If the record is no event.
    pub fn decode<'a>(&self, fields: &Fields, record: &'a [u8]) -> Result<Event<'a>, DecodeError> {
        let text = std::str::from_utf8(record).map_err(|error| DecodeError::NotUtf8(error.valid_up_to()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match text.bytes().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => {}
            Some(_) => return Err(DecodeError::NotObject),
            None => return Err(DecodeError::Empty),
        }
        let mut members: SmallVec<[(Cow<'a, str>, &'a str); FEW]> = SmallVec::new();
        let broken = |error: serde_json::Error| DecodeError::Broken(error.to_string());
        json::members(text, |name, value| members.push((name, value))).map_err(broken)?;
        let mut found = Collected::new(fields);
        for (name, value) in &members {
            found.member(self.roles.of(name), value, fields);
        }
        if found.is_flat() {
            for (name, value) in members {
                if self.roles.of(&name).is_property() {
                    found.property(name, value, fields);
                }
            }
        }
        found.event(self, fields)
    }

    /// The time that a value of `event_time` says, unix ms; `None` if it says none.
    pub fn time(&self, value: &Value<'_>) -> Option<i64> {
        self.times.read(value).ok()
    }

    /// The event's own time, unix ms; `None` if the record is no event.
    pub fn event_time(&self, record: &[u8]) -> Option<i64> {
        self.decode(&Fields::default(), record).ok().map(|event| event.event_time)
    }
}
