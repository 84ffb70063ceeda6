//! The interpreter: calculators' scripts run by Rhai.
//!
//! - `engine`: Rhai with its safety profile and the native functions; `aggregates`: those on aggregates
//! - `values`: values and errors of native functions
//! - `script`: analysis of a script's tree: calls, properties, state fields
//! - `runner`: running a program on the cells of one key; `cells`: cells to the script's state and back

mod aggregates;
mod cells;
pub mod engine;
pub mod runner;
pub(in crate::calculator) mod script;
pub(in crate::calculator) mod values;
