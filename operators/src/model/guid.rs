//! Users: the identity by which crowds list people.
//!
//! **Invariant**: one user has one spelling. What spells an unsigned 64-bit integer is that integer, however it came
//! in: as a number, as a text, or as a text with `.0` behind it. So two guids are the same user if they are equal.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::Value;

/// A user: an unsigned integer, or a text that spells none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guid<'a> {
    /// An integer.
    Number(u64),
    /// Any other text.
    Text(&'a str),
}

/// A [`Guid`] that borrows nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OwnedGuid {
    /// An integer.
    Number(u64),
    /// Any other text.
    Text(Box<str>),
}

/// Most bytes of a guid that is a text.
pub const MOST_BYTES: usize = 128;

impl<'a> Guid<'a> {
    /// The user that a key names: the integer that the text spells, as JSON writes it, or else the text.
    pub fn of_key(key: &'a str) -> Self {
        match integer(key) {
            Some(number) => Guid::Number(number),
            None => Guid::Text(key),
        }
    }

    /// The user that a text names.
    pub fn of_text(text: &'a str) -> Self {
        Guid::of_key(text.strip_suffix(".0").filter(|whole| integer(whole).is_some()).unwrap_or(text))
    }

    /// The user at [`Field::GUID`](super::field::Field::GUID) of an event.
    pub fn of_value(value: &'a Value<'_>) -> Option<Self> {
        match value {
            Value::Int(number) => u64::try_from(*number).ok().map(Guid::Number),
            Value::Text(text) => Some(Guid::of_key(text)),
            Value::Bool(_) | Value::Float(_) | Value::Nested(_) => None,
        }
    }

    /// The user that a list or a profile names, as JSON; `None` for what can't be one.
    pub fn of_json(json: &'a serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::String(text) if (1..=MOST_BYTES).contains(&text.len()) => {
                Some(Guid::of_text(text))
            }
            serde_json::Value::Number(number) => {
                number.as_u64().or_else(|| whole(number.as_f64()?)).map(Guid::Number)
            }
            _ => None,
        }
    }

    /// Copies the text.
    pub fn to_owned(self) -> OwnedGuid {
        match self {
            Guid::Number(number) => OwnedGuid::Number(number),
            Guid::Text(text) => OwnedGuid::Text(text.into()),
        }
    }

    /// The user as JSON.
    pub fn json(self) -> serde_json::Value {
        match self {
            Guid::Number(number) => number.into(),
            Guid::Text(text) => text.into(),
        }
    }
}

impl OwnedGuid {
    /// Borrows it.
    pub fn as_guid(&self) -> Guid<'_> {
        match self {
            OwnedGuid::Number(number) => Guid::Number(*number),
            OwnedGuid::Text(text) => Guid::Text(text),
        }
    }
}

/// Reads the value that an event has for its user: the user as integer or text. `None` if it can't be one: a boolean,
/// a number that is negative or has a fraction, or a text that is too long.
pub(super) fn read(value: Value<'_>) -> Option<Value<'_>> {
    let number = match value {
        Value::Bool(_) | Value::Nested(_) => return None,
        Value::Int(number) => return (number >= 0).then_some(Value::Int(number)),
        Value::Float(number) => whole(number)?,
        Value::Text(text) => match Guid::of_text(&text) {
            Guid::Number(number) => number,
            Guid::Text(_) => return (text.len() <= MOST_BYTES).then_some(Value::Text(text)),
        },
    };
    Some(i64::try_from(number).map_or_else(|_| Value::Text(Cow::Owned(number.to_string())), Value::Int))
}

/// The integer that a float is.
fn whole(float: f64) -> Option<u64> {
    (float >= 0.0 && float < 2f64.powi(64) && float.fract() == 0.0).then_some(float as u64)
}

/// The integer that a text spells as JSON writes it.
fn integer(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spells_an_integer_is_that_integer() {
        for (text, number) in [
            ("1001", 1001),
            ("1001.0", 1001),
            ("0", 0),
            ("18446744073709551615", u64::MAX),
            ("18446744073709551615.0", u64::MAX),
        ] {
            assert_eq!(Guid::of_text(text), Guid::Number(number), "{text}");
        }
        let texts = [
            "",
            "007",
            "1e3",
            "+1",
            "-1",
            " 1",
            "1.5",
            "1.00",
            "007.0",
            ".0",
            "18446744073709551616",
            "u-1",
            "١",
        ];
        for text in texts {
            assert_eq!(Guid::of_text(text), Guid::Text(text));
        }
        assert_eq!(Guid::of_key("1001.0"), Guid::Text("1001.0"), "a key is written one way only");
    }

    #[test]
    fn values_that_are_no_users_are_told_from_those_that_are() {
        let text = |text: &str| Value::Text(text.to_owned().into());
        for (value, user) in [
            (Value::Int(7), Value::Int(7)),
            (Value::Float(1001.0), Value::Int(1001)),
            (Value::Float(2f64.powi(63)), text("9223372036854775808")),
            (text("1001.0"), Value::Int(1001)),
            (text("9223372036854775808"), text("9223372036854775808")),
            (text("u-1"), text("u-1")),
            (text(&"x".repeat(MOST_BYTES)), text(&"x".repeat(MOST_BYTES))),
        ] {
            assert_eq!(read(value), Some(user));
        }
        for value in [
            Value::Bool(true),
            Value::Int(-1),
            Value::Float(1.5),
            Value::Float(-1.0),
            Value::Float(2f64.powi(64)),
        ] {
            assert_eq!(read(value.clone()), None, "{value:?}");
        }
        assert_eq!(read(text(&"x".repeat(MOST_BYTES + 1))), None);
    }
}
