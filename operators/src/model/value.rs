//! Values of properties and fields.

use std::borrow::Cow;

/// A scalar value of an event. `null`, arrays and objects count as absent and have no `Value`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A number written without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// Numeric value; a text is parsed. `None` for booleans, and for texts that spell no finite number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            Value::Text(t) => parse_number(t),
            Value::Bool(_) => None,
        }
    }

    /// The value as text: a string itself, a number or boolean in its JSON spelling.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(t) => Cow::Borrowed(t),
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Int(i) => Cow::Owned(i.to_string()),
            Value::Float(f) => Cow::Owned(f.to_string()),
        }
    }

    /// Copies a borrowed text, so that the value no longer borrows.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Bool(b) => Value::Bool(b),
            Value::Int(i) => Value::Int(i),
            Value::Float(f) => Value::Float(f),
            Value::Text(t) => Value::Text(Cow::Owned(t.into_owned())),
        }
    }

    /// The value as JSON.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(t) => t.as_ref().into(),
        }
    }
}

/// Parses a decimal number as JSON writes it, a leading `+` allowed. `inf`, `nan` and surrounding white space
/// are refused.
pub fn parse_number(text: &str) -> Option<f64> {
    let first = text.bytes().find(|b| *b != b'-' && *b != b'+')?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    text.parse::<f64>().ok().filter(|f| f.is_finite())
}
