//! Comparison of an event's value with a literal of a rule: two questions.
//!
//! *Is it the same?* Two texts are by their spelling, and a text is the same as a number or a boolean if it is its one
//! spelling. *How much is it?* is asked where the rule has a number, and for the order of two numbers: then a text that
//! spells a number is that number, see [`parse_number`](crate::model::value::parse_number), and two dates are in the
//! order of their instants.

use std::{borrow::Cow, cmp::Ordering, fmt::Write as _};

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::model::{decode::instant, number::Number, text::composed, value::Value};

/// A literal of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Literal {
    Number(Number),
    /// A text, accents composed, and what it has an order by, if it is not its spelling.
    Text(Box<str>, Option<Rank>),
    Bool(bool),
}

/// What two texts have an order by, if both spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rank {
    Number(Number),
    Instant(Timestamp),
}

/// Error: the event's value is compared with a number and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unparsed;

impl Literal {
    pub(super) fn text(text: &str) -> Literal {
        let rank = Number::parse(text).map(Rank::Number);
        Literal::Text(composed(text).into(), rank.or_else(|| instant(text).map(Rank::Instant)))
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
            Literal::Text(text, rank) => {
                let ranked = match rank {
                    Some(Rank::Number(number)) => Number::of(value).map(|value| value.cmp(number)),
                    Some(Rank::Instant(_)) => self.order_of_instants(value),
                    None => None,
                };
                Ok(Some(ranked.unwrap_or_else(|| spelled(value, buffer).cmp(text))))
            }
            Literal::Bool(bool) => Ok((*value == Value::Bool(*bool)).then_some(Ordering::Equal)),
        }
    }

    /// Order of `value` relative to the literal, if both spell an instant.
    pub(super) fn order_of_instants(&self, value: &Value<'_>) -> Option<Ordering> {
        match (self, value) {
            (Literal::Text(_, Some(Rank::Instant(at))), Value::Text(text)) => Some(instant(text)?.cmp(at)),
            _ => None,
        }
    }
}

/// A scalar as a value; `None` for null, lists and objects.
pub(super) fn scalar(json: &Json) -> Option<Value<'_>> {
    match json {
        Json::Bool(bool) => Some(Value::Bool(*bool)),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float)),
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The value as text, accents composed; what is not spelled so is written into `buffer`, which is overwritten.
pub(super) fn spelled<'b>(value: &'b Value<'_>, buffer: &'b mut String) -> &'b str {
    buffer.clear();
    // Writing into a string can't fail.
    let _ = match value {
        Value::Text(text) => match composed(text) {
            Cow::Borrowed(text) => return text,
            Cow::Owned(text) => {
                buffer.push_str(&text);
                Ok(())
            }
        },
        Value::Nested(json) => return json,
        Value::Bool(bool) => write!(buffer, "{bool}"),
        Value::Int(int) => write!(buffer, "{int}"),
        Value::Float(float) => write!(buffer, "{float}"),
    };
    buffer
}
