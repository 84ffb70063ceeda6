//! Everything strateye writes: for now lines, to standard output or a file.
//!
//! **Architecture invariant**: a sink knows nothing of rules; it is handed finished lines.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod lines;

pub use lines::{LineOutput, LineSink, SinkError};

pub mod checkpoint;

pub mod kafka;
mod outgoing;
pub mod produce;
mod progress;
pub mod webhook;

pub use outgoing::{Outgoing, Sent};
