//! The interpreter: runs calculators' scripts with Rhai.
//!
//! - [`engine`]: Rhai with its safety profile and the native functions
//! - `script`: reads a script's tree: calls, properties, state fields
//! - [`runner`]: runs a program on the cells of one key

pub mod engine;
pub mod runner;
pub(in crate::calculator) mod script;
