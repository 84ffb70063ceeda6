//! Triggers and refused records on their way out of the dataflow.
//!
//! - [`destinations`]: the sinks that a job names
//! - [`spools`]: where triggers wait for receivers that are away
//! - `max_age`: how old they may become
//! - [`write`](mod@write): the operators that write to them, on worker 0

pub mod destinations;
mod max_age;
pub mod spools;
pub mod write;
