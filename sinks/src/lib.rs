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
//! A sink of triggers implements [`TriggerSink`], or [`TransactionalSink`] if its triggers leave in one
//! transaction with their checkpoint; the contracts are in [`trigger_sink`] and [`transactional_sink`].
//!
//! **Architecture invariant**: a sink knows nothing of rules; it is handed finished lines and texts. Of
//! `operators` it knows the ids alone ([`operators::model::ids`]), by which checkpoints are numbered and
//! owners fenced.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod checkpoint;
pub mod kafka;
pub mod lines;
pub mod produce;
mod progress;
pub mod transactional_sink;
mod trigger;
pub mod trigger_sink;
pub mod webhook;

pub use lines::{LineError, LineOutput, LineSink, LineWriter};
pub use transactional_sink::{TransactionError, TransactionalSink};
pub use trigger::Trigger;
pub use trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError};
