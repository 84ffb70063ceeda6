//! Expressions: the texts of `met`, `when` and `expr`.
//!
//! Rhai parses the text (syntax and precedence are Rhai's); its syntax tree is then lowered to a small tree
//! of our own, so that an evaluation costs tens of nanoseconds and runs no interpreter. Syntax without a node
//! in that tree is refused with line and column. For operands that are present the results are Rhai's, bit
//! for bit, but for division; that includes Rhai's comparison of floats, which takes two floats as equal if they differ by less
//! than 2.3e-16 of the larger. Absent operands follow `SEMANTICS.md`.
//!
//! Limits: at most [`MAX_BYTES`] bytes; texts can only be compared, `+` does not join them.
//!
//! - `lower`: parsing, and Rhai's tree to ours
//! - `eval`: the tree and its evaluation
//! - `operand`: values and errors
//! - `operator`: operators and functions
//! - `threshold`: expressions that compare a slot with a literal

mod eval;
mod lower;
mod operand;
mod operator;
mod threshold;

#[cfg(test)]
mod tests;

use std::fmt;

use self::{eval::Node, lower::Lower};
pub use self::{
    operand::{EvalError, Operand},
    threshold::Threshold,
};

/// Longest expression, in bytes.
pub const MAX_BYTES: usize = 4096;

/// A compiled expression. Names are resolved to slots at compile time; an evaluation reads slots.
///
/// ```
/// use strateye_operators::expression::{Expression, Operand};
///
/// let mut resolve = |name: &str, _output: Option<&str>| match name {
///     "fav" => Ok(0),
///     "share" => Ok(1),
///     _ => Err(format!("there is no condition `{name}`; write fav or share")),
/// };
/// let met = Expression::compile("fav >= 10 && share >= 3", &mut resolve)?;
/// assert_eq!(met.holds(&mut |slot| Operand::Int([12, 3][slot])), Ok(true));
/// assert_eq!(met.holds(&mut |_| Operand::Absent), Ok(false));
/// # Ok::<(), strateye_operators::expression::ExpressionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
    /// Ascending and distinct.
    slots: Box<[usize]>,
}

/// Error of parsing or lowering an expression, with its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ExpressionError {
    /// Line in the text, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
    /// Fault and remedy.
    pub message: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

/// How literals are typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literals {
    /// As Rhai types them: `5` is an integer.
    AsWritten,
    /// Every number, and every text that spells a number, is a float, as are those in slots; but for `==` and `!=` of
    /// two slots, or of a slot and a text, which compare spellings.
    Floats,
}

/// Resolves a name (`c1`) or an output of a name (`amt.max`) to a slot. An error's message is reported at the
/// name's position.
pub type Resolve<'r> = dyn FnMut(&str, Option<&str>) -> Result<usize, String> + 'r;

impl Expression {
    /// Compiles an expression whose result is true or false.
    ///
    /// # Errors
    /// If the text is no expression, or its result is a number or a text whatever the slots hold.
    pub fn compile(text: &str, resolve: &mut Resolve<'_>) -> Result<Expression, ExpressionError> {
        Expression::compile_with(text, Literals::AsWritten, resolve)?.answering()
    }

    /// Compiles an expression over an event's properties; numbers, and texts that spell one, are floats. Any property is
    /// read by `prop("NAME")`, those whose names are none in Rhai included.
    ///
    /// # Errors
    /// As for [`Expression::compile`].
    pub fn compile_floats(text: &str, resolve: &mut Resolve<'_>) -> Result<Expression, ExpressionError> {
        Expression::compile_with(text, Literals::Floats, resolve)?.answering()
    }

    /// Compiles an expression with a result of any kind.
    ///
    /// # Errors
    /// If the text is no expression.
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

    /// The comparison of a slot with a literal, if the expression is nothing else.
    pub fn threshold(&self) -> Option<Threshold> {
        Threshold::of(&self.root)
    }

    /// The slots that an evaluation may read, ascending.
    pub fn slots(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots.iter().copied()
    }

    /// The same expression over other slots: `slot` gives the new number of each.
    #[must_use]
    pub fn with_slots(&self, slot: impl Fn(usize) -> usize) -> Expression {
        let mut root = self.root.clone();
        root.for_each_slot(&mut |old| *old = slot(*old));
        let mut slots: Box<[usize]> = self.slots.iter().map(|old| slot(*old)).collect();
        slots.sort_unstable();
        Expression { root, slots }
    }

    /// Evaluates the expression. Slots are read only as needed, from left to right.
    ///
    /// # Errors
    /// If arithmetic overflows, divides by the integer zero or has an operand that is no number; or if an
    /// operand of `!`, `&&`, `||` or `if` is neither true nor false.
    pub fn eval<'v>(&self, slots: &mut dyn FnMut(usize) -> Operand<'v>) -> Result<Operand<'v>, EvalError> {
        Ok(self.root.eval(slots)?.into_owned())
    }

    /// Whether the result is true; an absent result is false.
    ///
    /// # Errors
    /// As for [`Expression::eval`], and if the result is a number or a text.
    pub fn holds<'v>(&self, slots: &mut dyn FnMut(usize) -> Operand<'v>) -> Result<bool, EvalError> {
        self.root.eval(slots)?.answer().map_err(EvalError::NoAnswer)
    }
}
