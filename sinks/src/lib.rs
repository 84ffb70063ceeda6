//! Everything strateye writes.
//!
//! | module | writes | to |
//! | --- | --- | --- |
//! | [`lines`] | triggers and refused records | standard output, a file |
//! | [`kafka`] | triggers, at once or in transactions | a topic |
//! | [`webhook`] | triggers | an HTTP address |
//! | [`produce`] | events, for loads and trials | a topic |
//! | [`checkpoint`] | running state, which is read back here too | Redis, an SQLite file |
//!
//! **Architecture invariant**: a sink knows nothing of rules; it is handed finished lines and texts.

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
