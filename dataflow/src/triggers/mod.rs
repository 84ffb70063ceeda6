//! Triggers and refused records on their way out of the dataflow.
//!
//! - [`destinations`]: the sinks that a job names
//! - [`write`](mod@write): the operators that write to them, on worker 0

pub mod destinations;
pub mod write;
