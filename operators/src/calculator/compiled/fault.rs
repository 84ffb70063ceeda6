//! Failures of operations, in the words of the interpreter.

use super::{held::View, kind::Kind, math::Math, place::Place};
use crate::calculator::{CallError, ProgramError};

/// Failure of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// Integers without a result.
    Math(Math, i64, i64),
    /// A timer below 0.
    Timer,
    /// A timer that is no integer.
    NoTimer(Kind),
    /// A value that the aggregate can't fold, with the reason.
    NotFolded(String),
    /// A text that is too long.
    TooLong,
    /// A value that is not true or false where it must be.
    NotTruth(Kind),
    /// Any other, with the message.
    Message(String),
}

impl Fault {
    /// Failure to fold a value that is no number, or absent.
    #[cold]
    pub(super) fn not_folded(value: View<'_>) -> Fault {
        Fault::NotFolded(format!("`{}` is {}, not a number", value.written(), value.kind().name()))
    }

    /// The failure as an error of the call, at a place in the script.
    #[cold]
    pub(super) fn error(self, place: Place) -> CallError {
        let message = match self {
            Fault::NotFolded(reason) => return CallError::NotFolded(reason),
            Fault::TooLong => {
                return ProgramError::at(place.of_length(), "Length of string too large").into();
            }
            Fault::Math(math, a, b) => math.failure(a, b),
            Fault::Timer => "Runtime error: set_timer needs a time in unix ms".to_owned(),
            Fault::NoTimer(kind) => format!("Function not found: set_timer (map, {})", kind.parameter()),
            Fault::NotTruth(kind) => format!("Data type incorrect: {} (expecting bool)", kind.name()),
            Fault::Message(message) => message,
        };
        ProgramError::at(place, message).into()
    }
}
