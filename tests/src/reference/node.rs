//! The tree of an expression.

use super::value::Value;

/// One node of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Literal(Value),
    Name(String),
    Output(String, String),
    Negate(Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// Whether two properties, or a property and a text, are spelled the same; or not.
    Same(bool, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Arithmetic(char, Box<Node>, Box<Node>),
    If(Box<Node>, Box<Node>, Box<Node>),
    Call(String, Vec<Node>),
}

/// An operator that compares two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
