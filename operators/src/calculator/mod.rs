//! Calculators: Rhai scripts that fold the events of one condition and one key into a few state fields.
//!
//! A script defines `init(params)`, `on_event(state, event, params)`, `outputs(state, params, now)` and, where it
//! needs them, `on_timer(state, now, params)`, `on_timer_dropped(state, now, params)` and
//! `merge(state, history, params)`. [`Program`] is a script compiled with its params; [`Runner`] runs programs on the
//! cells of a key's state. Built-in and users' own scripts go the same way.
//!
//! **Architecture invariant**: a script reaches nothing but its arguments. The interpreter has no packages, no loops,
//! no modules, no closures, and every size and step is limited; see [`interpreter::engine`].

pub mod aggregate;
pub mod builtin;
pub mod cell;
mod compile;
pub mod interpreter;
pub mod outputs;
pub mod program;

pub use aggregate::Aggregate;
pub use cell::Cell;
pub use interpreter::runner::{CallError, FoldInput, Runner};
pub use outputs::Outputs;
pub use program::{Inputs, Program, ProgramError};
