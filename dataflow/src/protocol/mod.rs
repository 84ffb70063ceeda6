//! What the parts of a process say to each other, and processes to their supervisor.
//!
//! The ground floor of this crate: plain data, none of which knows who sends or receives it.
//!
//! - [`report`]: what workers tell worker 0, through the dataflow
//! - [`rules`]: change sets on their way into force, and what becomes of them
//! - [`numbers`], [`figures`]: what a worker shows of itself
//! - [`time`]: how time passes
//! - [`text`]: texts of bounded length

pub mod figures;
pub mod numbers;
pub mod report;
pub mod rules;
pub mod text;
pub mod time;
