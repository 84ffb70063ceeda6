//! One field of a condition's state.

use serde::{Deserialize, Serialize};

use super::Aggregate;

/// A state field. Its kind is fixed by the script's `init`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string, at most 1,024 bytes.
    Text(Box<str>),
    /// A native aggregate.
    Aggregate(Box<Aggregate>),
}

impl Cell {
    /// The kind's name, for messages.
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
