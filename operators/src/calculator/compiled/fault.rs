//! Failures of operations, in the words of the interpreter.

use super::{math::Math, place::Place};
use crate::{
    calculator::{CallError, ProgramError},
    model::value::Value,
};

/// Failure of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// Operands without a result.
    Math(Math, i64, i64),
    /// A timer below 0.
    Timer,
    /// A value that the aggregate can't fold, with the reason.
    NotFolded(String),
}

impl Fault {
    /// Failure to fold a value that is no number, or absent.
    #[cold]
    pub(super) fn not_folded(value: Option<&Value<'_>>) -> Fault {
        let (text, kind) = match value {
            None => ("".into(), "()"),
            Some(value @ Value::Bool(_)) => (value.text(), "bool"),
            Some(value @ Value::Int(_)) => (value.text(), "i64"),
            Some(value @ Value::Float(_)) => (value.text(), "f64"),
            Some(value @ Value::Text(_)) => (value.text(), "string"),
        };
        Fault::NotFolded(format!("`{text}` is {kind}, not a number"))
    }

    /// The failure as an error of the call, at a place in the script.
    #[cold]
    pub(super) fn error(self, place: Place) -> CallError {
        let message = match self {
            Fault::NotFolded(reason) => return CallError::NotFolded(reason),
            Fault::Math(math, a, b) => math.failure(a, b),
            Fault::Timer => "Runtime error: set_timer needs a time in unix ms".to_owned(),
        };
        ProgramError::at(place, message).into()
    }
}
