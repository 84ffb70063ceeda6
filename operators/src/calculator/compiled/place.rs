//! Places in a script, and refusals to compile.

use std::fmt;

/// A position in a script; 0 if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::calculator) struct Place {
    pub(in crate::calculator) line: u16,
    pub(in crate::calculator) column: u16,
    /// Line and column of the outermost call of the script's own functions that leads here; 0 if there is
    /// none.
    pub(in crate::calculator) call: [u16; 2],
}

impl Place {
    /// Where Rhai says that a text is too long: at the call, in the script's own functions.
    pub(in crate::calculator) fn of_length(self) -> Place {
        match self.call {
            [0, _] => self,
            [line, column] => Place { line, column, ..self },
        }
    }
}

/// Why a function is interpreted instead of compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason for which something could not be compiled.
    pub reason: String,
    /// Line in the script, from 1; 0 if it concerns the whole function.
    pub line: usize,
    /// Column, from 1; 0 if it concerns the whole function.
    pub column: usize,
}

impl Refusal {
    pub(in crate::calculator) fn new(place: Place, reason: impl Into<String>) -> Self {
        Refusal { reason: reason.into(), line: place.line.into(), column: place.column.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.reason)
    }
}
