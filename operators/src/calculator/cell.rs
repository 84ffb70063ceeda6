//! State fields of a condition.

use serde::{Deserialize, Serialize};

use super::Aggregate;

/// A state field. The script's `init` fixes its kind; a call that changes the kind fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text, at most 1,024 bytes.
    Text(Box<str>),
    /// A native aggregate.
    Aggregate(Box<Aggregate>),
}

impl Cell {
    /// Name of the kind, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Cell::Bool(_) => "a boolean",
            Cell::Int(_) => "an integer",
            Cell::Float(_) => "a float",
            Cell::Text(_) => "a string",
            Cell::Aggregate(_) => "a native aggregate",
        }
    }
}
