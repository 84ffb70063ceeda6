//! Any JSON, read member by member.
//!
//! A value that is not asked for is checked to be JSON and passed over, whatever it holds: numbers that no float
//! can hold, nesting of any depth, halves of surrogate pairs.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

use crate::model::value::Value;

/// Most lists and objects, one within the other, whose inside counts. Reading each level anew for what is within it
/// would otherwise take time by the square of a record's length.
pub(super) const MOST_LEVELS: usize = 16;

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

/// The value that JSON stands for. `None` for what a [`scalar`] has none, and for lists without a value.
pub(super) fn value(json: &str) -> Option<Value<'_>> {
    match json.as_bytes().first()? {
        b'{' => Some(Value::Nested(Cow::Borrowed(json))),
        b'[' => {
            let mut all = Vec::new();
            flatten(json, &mut all);
            (!all.is_empty()).then_some(Value::Nested(Cow::Borrowed(json)))
        }
        _ => scalar(json),
    }
}

/// Appends the values that a list or object has: of a list those of its elements, and of lists in it; of an object
/// itself. Lists within [`MOST_LEVELS`] others have none.
pub(in crate::model) fn flatten<'a>(json: &'a str, all: &mut Vec<Value<'a>>) {
    within(json, MOST_LEVELS, all);
}

fn within<'a>(json: &'a str, levels: usize, all: &mut Vec<Value<'a>>) {
    if json.starts_with('[') {
        if let Some(levels) = levels.checked_sub(1) {
            // It is valid, or it would not have been passed.
            let _ = elements(json, |element| within(element, levels, all));
        }
    } else if json.starts_with('{') {
        all.push(Value::Nested(Cow::Borrowed(json)));
    } else {
        all.extend(scalar(json));
    }
}

/// Calls `element` with each element of a list, as JSON.
///
/// # Errors
/// If the text is not one JSON list.
pub(super) fn elements<'a>(list: &'a str, element: impl FnMut(&'a str)) -> Result<(), serde_json::Error> {
    let mut json = Deserializer::from_str(list);
    json.deserialize_seq(Elements(element))?;
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

/// Visitor of a list.
struct Elements<F>(F);

impl<'a, F: FnMut(&'a str)> Visitor<'a> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&'a RawValue>()? {
            self.0(element.get());
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
