//! Expressions: what stands in `met`, `when` and `expr`.
//!
//! Rhai reads the text (its syntax and precedence are the language's), and what it read is lowered to a small tree of
//! our own, so that an evaluation costs tens of nanoseconds and touches no interpreter. What the tree has no node for
//! is refused, with its line and column. On operands that are there the results are Rhai's, bit for bit; that
//! includes Rhai's comparison of floats, which takes two floats as equal if they differ by less than 2.3e-16 of the
//! larger. What is absent follows `SEMANTICS.md`.
//!
//! Texts are only compared: `+` does not join them.

mod eval;
mod lower;
mod operand;
mod operator;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::operand::{EvalError, Operand};
use self::{eval::Node, lower::Lower};

/// The longest expression, in bytes.
pub const LONGEST: usize = 4096;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    /// Ascending, each once.
    slots: Box<[usize]>,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ExpressionError {
    /// Line in the text, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

/// What literals become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literals {
    /// What Rhai takes them for: `5` is an integer.
    AsWritten,
    /// Every number, and every text that is a number, is a float: for `expr`, whose slots give floats too.
    Floats,
}

/// Gives the slot of a name (`c1`) or of a name's output (`amt.max`); the error is shown at that place.
pub type Resolve<'r> = dyn FnMut(&str, Option<&str>) -> Result<usize, String> + 'r;

impl Expression {
    /// Compiles an expression that says yes or no.
    ///
    /// # Errors
    /// Where the text is no expression, or one that gives a number or a text whatever its names stand for.
    pub fn compile(text: &str, resolve: &mut Resolve<'_>) -> Result<Expression, ExpressionError> {
        Expression::compile_with(text, Literals::AsWritten, resolve)?.answering()
    }

    /// Compiles an expression over an event's properties; its slots must give numbers as floats.
    ///
    /// # Errors
    /// As [`Expression::compile`].
    pub fn compile_floats(text: &str, resolve: &mut Resolve<'_>) -> Result<Expression, ExpressionError> {
        Expression::compile_with(text, Literals::Floats, resolve)?.answering()
    }

    /// Compiles an expression of any result.
    ///
    /// # Errors
    /// Where the text is no expression.
    pub fn compile_with(
        text: &str,
        literals: Literals,
        resolve: &mut Resolve<'_>,
    ) -> Result<Expression, ExpressionError> {
        let (root, mut slots) = Lower::read(text, literals, resolve)?;
        slots.sort_unstable();
        slots.dedup();
        Ok(Expression { root, slots: slots.into() })
    }

    fn answering(self) -> Result<Expression, ExpressionError> {
        match self.root.kind() {
            Some(kind) if kind != operand::Kind::Bool => Err(ExpressionError {
                line: 1,
                column: 1,
                message: format!("this gives {kind}, not true or false; compare it, as in `value >= 10`"),
            }),
            _ => Ok(self),
        }
    }

    /// The slots the expression may ask for, ascending.
    pub fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots.iter().copied()
    }

    /// The result. Slots are asked for as they are needed, from left to right.
    ///
    /// # Errors
    /// If arithmetic overflows, divides by the integer zero, or meets what is no number; or `!`, `&&`, `||` or `if`
    /// meet what is neither true nor false.
    pub fn eval<'v>(&self, slots: &mut dyn FnMut(usize) -> Operand<'v>) -> Result<Operand<'v>, EvalError> {
        Ok(match self.root.eval(slots)? {
            Operand::Text(text) => Operand::Text(text.into_owned().into()),
            Operand::Absent => Operand::Absent,
            Operand::Bool(b) => Operand::Bool(b),
            Operand::Int(i) => Operand::Int(i),
            Operand::Float(f) => Operand::Float(f),
        })
    }

    /// Whether the result is true; absent counts as false.
    ///
    /// # Errors
    /// As [`Expression::eval`], and if the result is a number or a text.
    pub fn holds<'v>(&self, slots: &mut dyn FnMut(usize) -> Operand<'v>) -> Result<bool, EvalError> {
        self.root.eval(slots)?.answer().map_err(EvalError::NoAnswer)
    }
}
