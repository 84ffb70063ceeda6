//! The interpreter: calculators' scripts run by Rhai.
//!
//! - `engine`: Rhai with its safety profile and the native functions
//! - `script`: analysis of a script's tree: calls, properties, state fields
//! - `runner`: running a program on the cells of one key

pub mod engine;
pub mod runner;
pub(in crate::calculator) mod script;
