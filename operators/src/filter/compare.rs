//! Comparison of an event's value with a literal of a rule: two questions.
//!
//! *Is it the same?* Two texts are by their spelling, and a text is the same as a number or a boolean if it is its one
//! spelling. *How much is it?* is asked where the rule has a number, and for the order of two numbers: then a text that
//! spells a number is that number, see [`parse_number`](crate::model::value::parse_number).

use std::{cmp::Ordering, fmt::Write as _};

use crate::model::{number::Number, value::Value};

/// A literal of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    Number(Number),
    /// A text, and its numeric value if it spells a number.
    Text(Box<str>, Option<Number>),
    Bool(bool),
}

/// Error: the event's value is compared with a number and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unparsed;

impl Literal {
    pub(super) fn text(text: &str) -> Literal {
        Literal::Text(text.into(), Number::parse(text))
    }

    /// Whether `value` equals this.
    pub(super) fn equals(&self, value: &Value<'_>, buffer: &mut String) -> Result<bool, Unparsed> {
        match (self, value) {
            (Literal::Text(text, _), value) => Ok(*spelled(value, buffer) == **text),
            (Literal::Bool(bool), Value::Text(value)) => Ok(*value == if *bool { "true" } else { "false" }),
            _ => self.order(value, buffer).map(|order| order == Some(Ordering::Equal)),
        }
    }

    /// Order of `value` relative to the literal; `None` if the two have no order (a boolean against anything
    /// but itself).
    pub(super) fn order(&self, value: &Value<'_>, buffer: &mut String) -> Result<Option<Ordering>, Unparsed> {
        match self {
            Literal::Number(number) => Number::of(value).map(|value| Some(value.cmp(number))).ok_or(Unparsed),
            Literal::Text(text, number) => {
                if let Some(number) = number
                    && let Some(value) = Number::of(value)
                {
                    return Ok(Some(value.cmp(number)));
                }
                Ok(Some(spelled(value, buffer).cmp(text)))
            }
            Literal::Bool(bool) => Ok((*value == Value::Bool(*bool)).then_some(Ordering::Equal)),
        }
    }
}

/// The value as text; numbers and booleans are formatted into `buffer`, which is overwritten.
pub(super) fn spelled<'b>(value: &'b Value<'_>, buffer: &'b mut String) -> &'b str {
    buffer.clear();
    // Writing into a string can't fail.
    let _ = match value {
        Value::Text(text) | Value::Nested(text) => return text,
        Value::Bool(bool) => write!(buffer, "{bool}"),
        Value::Int(int) => write!(buffer, "{int}"),
        Value::Float(float) => write!(buffer, "{float}"),
    };
    buffer
}
