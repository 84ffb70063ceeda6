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
//! - `tree`, `any`: the typed tree
//! - `lower`: Rhai's tree to the typed tree
//! - `code`: operations; `emit`: the tree to code; `restored`: what a failing call restores
//! - `kind`, `held`: kinds and values; `math`, `dynamic`, `compare`, `function`, `switch`, `entries`: what
//!   operators and functions make of them
//! - `run`, `machine`: running code on the fields of a key, which are [`slots`]; `shadows`: fields that are
//!   written at the end of a call; `fault`: failures
//! - `words`: code whose values are all words, and its running
//! - `results`: the outputs; `direct`: those that are read without running code

mod any;
mod code;
mod compare;
mod direct;
mod dynamic;
mod emit;
mod entries;
mod fault;
mod function;
mod held;
mod kind;
mod lower;
mod machine;
mod math;
mod place;
mod restored;
mod results;
mod run;
mod shadows;
mod slots;
mod switch;
#[cfg(test)]
mod tests;
mod tree;
mod words;

pub(super) use self::{
    code::Code,
    lower::{Context, Own},
    place::Place,
    results::Results,
};
pub use self::{direct::Direct, place::Refusal, slots::Slots, words::Precondition};
use super::program::Body;

/// Most variables of a function that get a register of their own; with none, there are more of them for the
/// operands of operators.
const REGISTERS: [u8; 2] = [6, 0];

/// Compiles a function that folds an event or runs a timer.
///
/// # Errors
/// If it has to be interpreted.
pub(super) fn function(body: &Body, context: &Context<'_>) -> Result<Code, Refusal> {
    let [most, none] = REGISTERS.map(|registers| move || lower::function(body, context, registers));
    let code = Code::of_function(&most()?).or_else(|_| Code::of_function(&none()?))?;
    Ok(code.with_words(context.initial))
}

/// Compiles `outputs`.
///
/// # Errors
/// If it has to be interpreted.
pub(super) fn outputs(body: &Body, context: &Context<'_>) -> Result<Results, Refusal> {
    let [most, none] = REGISTERS.map(|registers| move || lower::outputs(body, context, registers));
    Results::of(most()?).or_else(|_| Results::of(none()?))
}
