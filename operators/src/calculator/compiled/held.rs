//! Values of any kind: those that code holds, and views of values wherever they are.

use std::borrow::Cow;

use super::kind::Kind;
use crate::model::value::Value;

/// A value of any kind, with its text borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum View<'a> {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Char(char),
    Text(&'a str),
}

/// A value of any kind: a constant, or a variable of the script.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Held<'v> {
    #[default]
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Char(char),
    Text(Cow<'v, str>),
}

impl View<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            View::Unit => Kind::Unit,
            View::Bool(_) => Kind::Bool,
            View::Int(_) => Kind::Int,
            View::Float(_) => Kind::Float,
            View::Char(_) => Kind::Char,
            View::Text(_) => Kind::Text,
        }
    }

    /// The value as a word: an integer, true or false as 1 or 0, or the bits of a float.
    pub(super) fn word(&self) -> i64 {
        match self {
            View::Bool(b) => i64::from(*b),
            View::Int(i) => *i,
            View::Float(f) => f.to_bits().cast_signed(),
            View::Unit | View::Char(_) | View::Text(_) => 0,
        }
    }

    /// The value as Rhai writes it into a text.
    pub(super) fn written(&self) -> Cow<'_, str> {
        match self {
            View::Unit => "".into(),
            View::Bool(b) => b.to_string().into(),
            View::Int(i) => i.to_string().into(),
            View::Float(f) => f.to_string().into(),
            View::Char(c) => c.to_string().into(),
            View::Text(t) => (*t).into(),
        }
    }

    /// The value copied, unless it is a text.
    #[inline(always)]
    pub(super) fn to_scalar(self) -> Option<Held<'static>> {
        match self {
            View::Unit => Some(Held::Unit),
            View::Bool(b) => Some(Held::Bool(b)),
            View::Int(i) => Some(Held::Int(i)),
            View::Float(f) => Some(Held::Float(f)),
            View::Char(c) => Some(Held::Char(c)),
            View::Text(_) => None,
        }
    }

    /// The value copied.
    pub(super) fn to_held(self) -> Held<'static> {
        match self {
            View::Unit => Held::Unit,
            View::Bool(b) => Held::Bool(b),
            View::Int(i) => Held::Int(i),
            View::Float(f) => Held::Float(f),
            View::Char(c) => Held::Char(c),
            View::Text(t) => Held::Text(t.to_owned().into()),
        }
    }
}

impl<'a> View<'a> {
    /// A value of an event or an output; `None` for one that they can't have, which is absent.
    pub(super) fn value(self) -> Option<Value<'a>> {
        match self {
            View::Unit | View::Char(_) => None,
            View::Bool(b) => Some(Value::Bool(b)),
            View::Int(i) => Some(Value::Int(i)),
            View::Float(f) => Some(Value::Float(f)),
            View::Text(t) => Some(Value::Text(t.into())),
        }
    }
}

impl<'a> From<Option<&'a Value<'_>>> for View<'a> {
    fn from(value: Option<&'a Value<'_>>) -> Self {
        match value {
            None | Some(Value::Nested(_)) => View::Unit,
            Some(Value::Bool(b)) => View::Bool(*b),
            Some(Value::Int(i)) => View::Int(*i),
            Some(Value::Float(f)) => View::Float(*f),
            Some(Value::Text(t)) => View::Text(t),
        }
    }
}

impl Held<'_> {
    pub(super) fn view(&self) -> View<'_> {
        match self {
            Held::Unit => View::Unit,
            Held::Bool(b) => View::Bool(*b),
            Held::Int(i) => View::Int(*i),
            Held::Float(f) => View::Float(*f),
            Held::Char(c) => View::Char(*c),
            Held::Text(t) => View::Text(t),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.view().kind()
    }
}

impl From<String> for Held<'_> {
    fn from(text: String) -> Self {
        Held::Text(text.into())
    }
}
