//! Values of events and expressions: a boolean, an integer, a float or a text.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use super::json::Node;

/// A value; an absent one is an `Option::None` around it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    /// Wide enough for every unsigned guid as well as every signed integer.
    Int(i128),
    Float(f64),
    Text(String),
    /// The values of a list's elements, and the list as JSON.
    List(Vec<Value>, String),
    /// An object, as JSON.
    Object(String),
}

impl Value {
    /// Reads a scalar of JSON; `null`, arrays and objects count as absent.
    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(b) => Some(Self::Bool(*b)),
            Json::Number(n) => Some(match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Self::Int(i.into()),
                (None, Some(u)) => Self::Int(u.into()),
                (None, None) => Self::Float(n.as_f64()?),
            }),
            Json::String(s) => Some(Self::Text(s.clone())),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// Reads a value of a line; integers beyond 64 bits are texts of their digits.
    pub(crate) fn from_node(node: &Node) -> Option<Self> {
        match node {
            Node::Bool(b) => Some(Self::Bool(*b)),
            Node::Number(digits) if digits.contains(['.', 'e', 'E']) => {
                digits.parse().ok().filter(|float: &f64| float.is_finite()).map(Self::Float)
            }
            Node::Number(digits) => match digits.parse::<i64>() {
                Ok(int) => Some(Self::Int(int.into())),
                Err(_) => Some(Self::Text(digits.clone())),
            },
            Node::Text(text) => Some(Self::Text(text.clone())),
            Node::Null => None,
            Node::Object(_) => Some(Self::Object(node.to_json())),
            Node::List(list) => {
                let elements: Vec<Self> = list.iter().filter_map(Self::from_node).collect();
                let elements: Vec<Self> = elements.iter().flat_map(Self::elements).cloned().collect();
                (!elements.is_empty()).then(|| Self::List(elements, node.to_json()))
            }
        }
    }

    /// The values that a list has; of anything else the value itself.
    pub(crate) fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements, _) => elements,
            other => std::slice::from_ref(other),
        }
    }

    /// The value, unless it is a list or an object.
    pub(crate) fn scalar(self) -> Option<Self> {
        (!matches!(self, Self::List(..) | Self::Object(_))).then_some(self)
    }

    /// Its JSON form.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Bool(b) => Json::from(*b),
            Self::Int(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(i), _) => Json::from(i),
                (Err(_), Ok(u)) => Json::from(u),
                (Err(_), Err(_)) => Json::Null,
            },
            Self::Float(f) => Json::from(*f),
            Self::Text(s) => Json::from(s.as_str()),
            Self::List(_, json) | Self::Object(json) => serde_json::from_str(json).expect("JSON"),
        }
    }

    /// Its text: texts as they are, everything else by its shortest spelling.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Text(s) | Self::List(_, s) | Self::Object(s) => s.clone(),
            Self::Float(f) => f.to_string(),
            other => other.to_json().to_string(),
        }
    }

    /// Its numeric value: numbers, and texts that spell one. A boolean has none.
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Int(i) => Some(Number::Int(*i)),
            Self::Float(f) => Some(Number::Float(*f)),
            Self::Text(s) => parse_number(s),
            Self::Bool(_) | Self::List(..) | Self::Object(_) => None,
        }
    }
}

/// A number; two integers compare exactly, all else as floats.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    pub(crate) fn float(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Float(f) => f,
        }
    }

    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        }
    }
}

/// A plain decimal: sign, whole part, fraction, exponent.
static DECIMAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[ \t]*([-+]?)(0|[1-9][0-9]*)?(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?[ \t]*$")
        .expect("a regex")
});

/// The finite number that a text means, if it means one.
pub(crate) fn parse_number(text: &str) -> Option<Number> {
    let parts = DECIMAL.captures(text)?;
    let part = |n: usize| parts.get(n).map_or("", |part| part.as_str());
    let (whole, fraction, exponent) = (part(2), part(3), part(4));
    let digits = format!("{}{}", whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() || !exponent.is_empty() && digits.chars().all(|c| c == '0') {
        return None;
    }
    let plain = text.trim_matches([' ', '\t']);
    if fraction.is_empty()
        && exponent.is_empty()
        && let Ok(integer) = plain.parse::<i64>()
    {
        return Some(Number::Int(integer.into()));
    }
    let number: f64 = plain.parse().ok()?;
    (digits.len() <= 15 && number.is_finite()).then_some(Number::Float(number))
}
