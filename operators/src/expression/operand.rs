//! Values in an expression, and errors of an evaluation.

use std::{borrow::Cow, fmt};

use crate::model::{
    text::composed,
    value::{Value, parse_number},
};

/// A value in an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'v> {
    /// No value.
    Absent,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(Cow<'v, str>),
}

impl<'v> From<&'v Value<'_>> for Operand<'v> {
    fn from(value: &'v Value<'_>) -> Self {
        match value {
            Value::Bool(b) => Operand::Bool(*b),
            Value::Int(i) => Operand::Int(*i),
            Value::Float(f) => Operand::Float(*f),
            Value::Text(t) => Operand::Text(Cow::Borrowed(t)),
            Value::Nested(_) => Operand::Absent,
        }
    }
}

impl<'v> From<Value<'v>> for Operand<'v> {
    fn from(value: Value<'v>) -> Self {
        match value {
            Value::Bool(b) => Operand::Bool(b),
            Value::Int(i) => Operand::Int(i),
            Value::Float(f) => Operand::Float(f),
            Value::Text(t) => Operand::Text(t),
            Value::Nested(_) => Operand::Absent,
        }
    }
}

/// Error of an evaluation: the expression has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The integer result does not fit 64 bits.
    #[error("`{0}` overflows")]
    Overflow(&'static str),
    /// An integer to a negative power.
    #[error("an integer raised to a negative power; write a float, as in 2.0 ** n")]
    NegativePower,
    /// An operand of the wrong kind.
    #[error("`{place}` wants {wanted}, not {found}")]
    Kind {
        /// The operator or function.
        place: &'static str,
        /// The kind it requires.
        wanted: Kind,
        /// The kind of the operand.
        found: Kind,
    },
    /// The result is neither true nor false.
    #[error("the result is {0}, not true or false")]
    NoAnswer(Kind),
}

/// Kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer or a float.
    Number,
    /// A text.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
        })
    }
}

impl Operand<'_> {
    /// Copies a borrowed text, so that the operand no longer borrows.
    pub fn into_owned(self) -> Operand<'static> {
        match self {
            Operand::Absent => Operand::Absent,
            Operand::Bool(b) => Operand::Bool(b),
            Operand::Int(i) => Operand::Int(i),
            Operand::Float(f) => Operand::Float(f),
            Operand::Text(text) => Operand::Text(text.into_owned().into()),
        }
    }

    /// The number that the operand is or spells, as a float; else the operand.
    pub(super) fn amount(self) -> Self {
        let number = match &self {
            Operand::Int(int) => Some(*int as f64),
            Operand::Text(text) => parse_number(text),
            Operand::Absent | Operand::Bool(_) | Operand::Float(_) => None,
        };
        number.map_or(self, Operand::Float)
    }

    /// Whether two operands have the same spelling; `None` if one is absent.
    pub(super) fn is_spelled_as(&self, other: &Self) -> Option<bool> {
        Some(self.spelled()? == other.spelled()?)
    }

    fn spelled(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Operand::Absent => return None,
            Operand::Bool(bool) => Cow::Borrowed(if *bool { "true" } else { "false" }),
            Operand::Int(int) => int.to_string().into(),
            Operand::Float(float) => float.to_string().into(),
            Operand::Text(text) => composed(text),
        })
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Operand::Absent => None,
            Operand::Bool(_) => Some(Kind::Bool),
            Operand::Int(_) | Operand::Float(_) => Some(Kind::Number),
            Operand::Text(_) => Some(Kind::Text),
        }
    }

    /// As a boolean for the operator `place`; absent is false.
    pub(super) fn truth(&self, place: &'static str) -> Result<bool, EvalError> {
        self.answer().map_err(|found| EvalError::Kind { place, wanted: Kind::Bool, found })
    }

    /// As a boolean; absent is false. The error is the kind of an operand that is no boolean.
    pub(super) fn answer(&self) -> Result<bool, Kind> {
        match self {
            Operand::Absent => Ok(false),
            Operand::Bool(b) => Ok(*b),
            Operand::Int(_) | Operand::Float(_) => Err(Kind::Number),
            Operand::Text(_) => Err(Kind::Text),
        }
    }

    pub(super) fn not_a_number(&self, place: &'static str) -> EvalError {
        EvalError::Kind { place, wanted: Kind::Number, found: self.kind().unwrap_or(Kind::Bool) }
    }

    /// As a float; `None` unless it is a number.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Operand::Int(i) => Some(*i as f64),
            Operand::Float(f) => Some(*f),
            _ => None,
        }
    }

    /// Arithmetic negation; absent stays absent.
    pub(super) fn negate(self) -> Result<Self, EvalError> {
        match self {
            Operand::Absent => Ok(Operand::Absent),
            Operand::Int(i) => i.checked_neg().map(Operand::Int).ok_or(EvalError::Overflow("-")),
            Operand::Float(f) => Ok(Operand::Float(-f)),
            other => Err(other.not_a_number("-")),
        }
    }
}
