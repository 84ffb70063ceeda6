//! Any JSON, read member by member.
//!
//! A value that is not asked for is checked to be JSON and passed over, whatever it holds: numbers that no float
//! can hold, nesting of any depth, halves of surrogate pairs.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

use crate::model::value::Value;

/// Calls `member` with the name and the value, as JSON, of each member of an object, in their order.
///
/// # Errors
/// If the text is not one JSON object.
pub(super) fn members<'a>(
    object: &'a str,
    member: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<(), serde_json::Error> {
    let mut json = Deserializer::from_str(object);
    json.deserialize_map(Members(member))?;
    json.end()
}

/// The scalar that a value is, as JSON. `None` for `null`, arrays and objects, and for numbers beyond those that a
/// float can hold. Integers beyond 64 bits are the texts of their digits.
pub(super) fn scalar(value: &str) -> Option<Value<'_>> {
    match value.as_bytes().first()? {
        b'"' => Some(Value::Text(text(value))),
        b't' => Some(Value::Bool(true)),
        b'f' => Some(Value::Bool(false)),
        b'n' | b'[' | b'{' => None,
        _ => number(value),
    }
}

fn number(number: &str) -> Option<Value<'_>> {
    if number.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return number.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float);
    }
    Some(number.parse().map_or(Value::Text(Cow::Borrowed(number)), Value::Int))
}

/// The text that a string of JSON spells; halves of surrogate pairs become U+FFFD.
fn text(string: &str) -> Cow<'_, str> {
    match string.get(1..string.len() - 1) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        // It is valid, or it would not have been passed.
        _ => Deserializer::from_str(string).deserialize_bytes(Text).unwrap_or_default(),
    }
}

/// Visitor of an object.
struct Members<F>(F);

impl<'a, F: FnMut(Cow<'a, str>, &'a str)> Visitor<'a> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Text)? {
            let value: &'a RawValue = map.next_value()?;
            self.0(name, value.get());
        }
        Ok(())
    }
}

/// Visitor of a string. As bytes, since these may hold halves of surrogate pairs.
struct Text;

impl<'a> DeserializeSeed<'a> for Text {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<Cow<'a, str>, D::Error> {
        json.deserialize_bytes(self)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'a [u8]) -> Result<Cow<'a, str>, E> {
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(without_surrogates(bytes)),
        })
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(without_surrogates(bytes)))
    }
}

/// Text in which a surrogate, encoded like a character of its number in three bytes, is U+FFFD.
fn without_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        // Each of the three bytes is invalid by itself; the first is that of no other character here.
        if part.invalid().first() == Some(&0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}
