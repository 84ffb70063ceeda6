//! A spool: what a receiver does not take waits on disk, so that nothing else waits for the receiver.
//!
//! - `sink`: [`SpoolingSink`], the sink around another sink, and its thread
//! - `delivery`: what waits, at the other sink and in the log; all decisions, without a thread and a clock
//! - `breaker`: the circuit breaker of the receiver
//! - `log`: the spool itself, segments of records; `record`: one record as a line
//! - `storage`: the files
//!
//! # Protocol
//!
//! Breaker **closed**: triggers go to the other sink (a webhook, a topic), and a copy of each stays in memory
//! until it is acknowledged there. The log is empty.
//!
//! A trigger that has waited for `after` **opens** the breaker. All triggers in memory are appended to the log
//! and synced, which acknowledges them; so are all that come later. The other sink keeps what it has, retries
//! by itself, and gets nothing more beyond some probes.
//!
//! Once the receiver takes a trigger again, the breaker is **half open**: the other sink is fed from the log,
//! in the order in which the triggers came, as fast as it takes them. It opens again if nothing is delivered
//! for `after`. A segment of the log is removed once all of its triggers are acknowledged at the other sink.
//! When the log is empty, the breaker is closed.
//!
//! A restarted process finds the log, and begins with an open breaker and the oldest trigger.
//!
//! # Invariants
//!
//! `tests.rs` tests them with a disk that fails, or loses what is not synced, at any call (`model.rs`):
//!
//! - **Durable first**: a trigger is acknowledged only if the other sink has acknowledged it, or its record and
//!   the name of its file are synced.
//! - **Nothing lost**: a record leaves the log only after the other sink has acknowledged its trigger, or it
//!   stands in the dead letters.
//! - **In order**: triggers reach the other sink in the order in which they came, over all restarts, apart from
//!   repetitions: nothing goes past the log while it holds anything.
//! - **Bounded**: memory by triggers and bytes, the log by bytes. If the log is full, or the disk refuses to
//!   write, triggers stay in memory, and when that is full, [`Sent::Full`](crate::Sent) holds back.
//! - Only the last segment may end with a torn record: a segment is begun after the one before is synced.
//!
//! A trigger that is older than its rule lets it be goes to the dead letters when its turn comes.
//!
//! **Limits**: after a restart, triggers of the segment that was being delivered are delivered again, with the
//! same ids. A Kafka client can't give back what it was handed before the breaker opened; that is delivered
//! even if it has become too old. If the disk is lost, so are the triggers in the log: checkpoints count them
//! as delivered.

mod breaker;
mod delivery;
mod log;
mod record;
mod sink;
mod storage;

use std::{path::PathBuf, time::Duration};

pub use breaker::BreakerState;
pub use sink::{SpoolError, SpoolingSink};

/// Name of the file, in the folder of a spool, for triggers that became too old, if the receiver has none.
pub const DEAD_LETTERS: &str = "dead-letters.jsonl";

/// Configuration of a receiver's spool.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// Folder of this receiver alone. It is made when the first trigger has to wait.
    pub folder: PathBuf,
    /// Upper bound of the bytes of the spool.
    pub max_bytes: u64,
    /// Longest wait for an acknowledgement before triggers are spooled.
    pub after: Duration,
    /// Upper bound of triggers in memory.
    pub queue: usize,
    /// Upper bound of their bytes. A single larger trigger is accepted when there is no other.
    pub queue_bytes: usize,
    /// File for triggers that became too old.
    pub dead_letters: PathBuf,
    /// The receiver's address, without secrets.
    pub receiver: String,
}

/// Figures of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// State of the breaker.
    pub breaker: BreakerState,
    /// Triggers in the spool.
    pub triggers: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Whether triggers wait in memory because the spool takes no more: it is full, or can't be written.
    pub full: bool,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
