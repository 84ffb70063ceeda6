//! State fields of a condition.

use std::borrow::Cow;

use super::Aggregate;

/// A state field. The script's `init` fixes its kind; a call that changes the kind fails.
#[derive(Clone, Debug, PartialEq)]
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

/// Value of a state field, without copying it.
#[derive(Clone, Debug, PartialEq)]
pub enum CellRef<'c> {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(&'c str),
    /// A native aggregate.
    Aggregate(Cow<'c, Aggregate>),
}

impl<'c> From<&'c Cell> for CellRef<'c> {
    fn from(cell: &'c Cell) -> Self {
        match cell {
            Cell::Bool(b) => CellRef::Bool(*b),
            Cell::Int(i) => CellRef::Int(*i),
            Cell::Float(f) => CellRef::Float(*f),
            Cell::Text(text) => CellRef::Text(text),
            Cell::Aggregate(aggregate) => CellRef::Aggregate(Cow::Borrowed(aggregate)),
        }
    }
}

impl From<CellRef<'_>> for Cell {
    fn from(cell: CellRef<'_>) -> Self {
        match cell {
            CellRef::Bool(b) => Cell::Bool(b),
            CellRef::Int(i) => Cell::Int(i),
            CellRef::Float(f) => Cell::Float(f),
            CellRef::Text(text) => Cell::Text(text.into()),
            CellRef::Aggregate(aggregate) => Cell::Aggregate(Box::new(aggregate.into_owned())),
        }
    }
}
