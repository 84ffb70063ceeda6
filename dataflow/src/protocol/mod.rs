//! Protocol: the plain data that threads, workers and processes exchange.
//!
//! The lowest layer of this crate: it does not depend on senders or receivers.
//!
//! - [`message`]: from a process to its supervisor
//! - [`report`]: from workers to worker 0, through the dataflow
//! - [`rules`]: change sets from the rules feed to `control`, and their effects back
//! - [`numbers`], [`figures`]: counters and gauges of a worker
//! - [`time`]: wall clock or the events' own time
//! - [`text`]: texts of bounded length

pub mod figures;
pub mod message;
pub mod numbers;
pub mod report;
pub mod rules;
pub mod text;
pub mod time;
