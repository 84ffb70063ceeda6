//! Compiled calculators: scripts as register code.
//!
//! Rhai's tree is lowered to a [tree](tree) whose kinds are known, and that is emitted as [code]. Results,
//! errors and their places are the interpreter's; what can't be compiled so is refused with the reason, and
//! interpreted. No calculator is recognised by its name.
//!
//! **Invariants**: a call that fails leaves the fields unchanged. Rhai's tree is read by `lower` alone, and
//! the state by [`slots::Slots`] alone.
//!
//! - `place`: places in a script; refusals
//! - `tree`: the typed tree; `math`: arithmetic on integers
//! - `lower`: Rhai's tree to the typed tree
//! - `code`: operations; `emit`, `test`: the tree to code; `restored`: what a failing call restores
//! - `compare`: comparison of properties
//! - `run`: running code on the fields of a key, which are [`slots`]; `fault`: failures
//! - `results`: the outputs

mod code;
mod compare;
mod emit;
mod fault;
mod lower;
mod math;
mod place;
mod restored;
mod results;
mod run;
mod slots;
mod test;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use self::{code::Code, lower::Context, place::Place, results::Results, run::Given};
pub use self::{place::Refusal, slots::Slots};
use super::program::Body;

/// Compiles a function that folds an event or runs a timer.
///
/// # Errors
/// If it has to be interpreted.
pub(super) fn function(body: &Body, context: &Context<'_>) -> Result<Code, Refusal> {
    Code::of_function(&lower::function(body, context)?)
}

/// Compiles `outputs`.
///
/// # Errors
/// If it has to be interpreted.
pub(super) fn outputs(body: &Body, context: &Context<'_>) -> Result<Results, Refusal> {
    Results::of(lower::outputs(body, context)?)
}
