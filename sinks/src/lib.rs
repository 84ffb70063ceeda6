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
//! [`spool`] keeps triggers on disk while a webhook or a topic does not take them, and [`dead_letters`] those
//! that can't be delivered.
//!
//! A sink of triggers implements [`TriggerSink`], or [`TransactionalSink`] if its triggers leave in one
//! transaction with their checkpoint; the contracts are in [`trigger_sink`] and [`transactional_sink`].
//!
//! **Architecture invariant**: a sink knows nothing of rules; it is handed finished lines and texts. Of
//! `operators` it knows the ids alone ([`operators::model::ids`]), by which checkpoints are numbered and
//! owners fenced.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod checkpoint;
pub mod dead_letters;
pub mod kafka;
pub mod lines;
mod private;
pub mod produce;
mod progress;
pub mod spool;
pub mod transactional_sink;
mod trigger;
pub mod trigger_sink;
pub mod webhook;

pub use lines::{LineError, LineOutput, LineSink, LineWriter};
pub use spool::{BreakerState, SpoolConfig, SpoolStats, SpoolingSink};
pub use transactional_sink::{TransactionError, TransactionalSink};
pub use trigger::Trigger;
pub use trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError};
