//! The frozen reference floor: the decoder of 2026-11-29, kept to scale figures by.
//!
//! `floor-reference` in the tables is the cost of this decoder on the machine and in the minute of the
//! measurement. As it does not change, figures divided by it can be compared between machines, hours and
//! versions of the engine; figures divided by [`floor`](crate::floor::floor) can't once the engine's decoder
//! has changed.
//!
//! **Invariant**: nothing in this folder changes, nor do the exact versions of `sonic-rs` and `hashbrown` in
//! this crate's `Cargo.toml`. It uses nothing of the engine. A decoder of another design is another module
//! with a row of its own.
//!
//! Not frozen: the compiler and the standard library.
//!
//! - `decode`: record to event
//! - `visit`: the visitors of the JSON reader

mod decode;
mod visit;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use hashbrown::HashMap;

pub use decode::Decoder;

/// Number of top-level fields: guid, device_id, ip, session_id, event_id, event_time.
const TOP_LEVEL: usize = 6;
const GUID: usize = 0;
const EVENT_ID: usize = 4;
const EVENT_TIME: usize = 5;

/// A scalar value of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
}

/// A decoded event.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The user, if known.
    pub guid: Option<u64>,
    /// The event's own time, unix ms.
    pub event_time: i64,
    /// Values by position: the top-level fields, then the properties of [`Fields`].
    pub values: Vec<Option<Value<'a>>>,
}

/// The properties that are kept; all others are skipped.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    properties: HashMap<String, usize>,
}

impl Fields {
    /// Keeps these properties; repeats are ignored.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Fields {
        let mut properties = HashMap::new();
        for name in names {
            let position = TOP_LEVEL + properties.len();
            properties.entry(name.to_owned()).or_insert(position);
        }
        Fields { properties }
    }

    fn property(&self, name: &str) -> Option<usize> {
        self.properties.get(name).copied()
    }

    fn len(&self) -> usize {
        TOP_LEVEL + self.properties.len()
    }
}
