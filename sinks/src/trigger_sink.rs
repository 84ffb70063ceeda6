//! The contract of a sink of triggers.
//!
//! Data flow: one thread hands finished [`Trigger`]s to a sink, in order. The sink queues and delivers them
//! in its own time and counts how many it has accepted and how many the receiver has acknowledged. A
//! checkpoint notes the count of accepted triggers and is committed only when as many are acknowledged; so a
//! trigger that was lost in a crash is sent again after the restart, and delivery is at least once.
//!
//! **Invariants** of every sink (`tests/all/trigger_sinks.rs` tests them for all sinks):
//!
//! - Order: triggers of one key are delivered in the order in which they were sent.
//! - Bounded: the queue has a limit. A full sink takes nothing and changes nothing; it never blocks and never
//!   drops.
//! - Counted: accepted triggers have the sequence numbers 1, 2, 3, .. without gaps. `acknowledged` never
//!   falls and never passes a trigger that is not acknowledged, whatever the order in which acknowledgements
//!   arrive.
//! - Acknowledged means durable at the receiver, in the [spool](crate::spool) or in the dead letters, or refused
//!   by the receiver for good and logged: nobody has to send the trigger again.
//! - Failure is final: once a sink has failed, `acknowledged` stays where it is, and `flush` or `check`
//!   returns the error from then on.
//!
//! A sink that writes one line per trigger to a file can wrap [`LineSink`](crate::LineSink), which queues and
//! counts.
//!
//! **Limit**: dropping a sink does not wait for its queue. Triggers above `acknowledged` may or may not be
//! delivered.
//!
//! Sinks whose triggers leave in one transaction with their checkpoint are handed whole batches instead, see
//! [`TransactionalSink`](crate::TransactionalSink).

use std::error::Error;

use crate::{spool::SpoolStats, trigger::Trigger};

/// A sink that takes triggers one at a time and acknowledges them later.
///
/// No method waits for the receiver. The [module](self) states the invariants.
///
/// ```
/// use std::{cell::RefCell, collections::VecDeque};
///
/// use strateye_sinks::{Sent, SinkStats, Trigger, TriggerSink, TriggerSinkError};
///
/// /// Keeps up to `room` lines until they are collected.
/// struct Collected {
///     room: usize,
///     state: RefCell<(VecDeque<String>, u64)>,
/// }
///
/// impl Collected {
///     /// Removes the oldest line, which counts as its acknowledgement.
///     fn collect(&self) -> Option<String> {
///         self.state.borrow_mut().0.pop_front()
///     }
/// }
///
/// impl TriggerSink for Collected {
///     fn kind(&self) -> &'static str {
///         "collected"
///     }
///
///     fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
///         let mut state = self.state.borrow_mut();
///         if state.0.len() == self.room {
///             return Ok(Sent::Full);
///         }
///         state.0.push_back(trigger.line.clone());
///         state.1 += 1;
///         Ok(Sent::Accepted(state.1))
///     }
///
///     fn accepted(&self) -> u64 {
///         self.state.borrow().1
///     }
///
///     fn acknowledged(&self) -> u64 {
///         self.accepted() - self.state.borrow().0.len() as u64
///     }
///
///     fn stats(&self) -> SinkStats {
///         let delivered = self.acknowledged();
///         SinkStats { queued: self.accepted() - delivered, delivered, ..SinkStats::default() }
///     }
/// }
///
/// # fn main() -> Result<(), TriggerSinkError> {
/// let sink = Collected { room: 1, state: RefCell::default() };
/// let trigger = |id: &str| Trigger { id: id.into(), key: "1001".into(), line: format!("fired: {id}"), ..Trigger::default() };
/// assert_eq!(sink.send(&trigger("a"))?, Sent::Accepted(1));
/// assert_eq!(sink.send(&trigger("b"))?, Sent::Full);
/// assert_eq!((sink.accepted(), sink.acknowledged()), (1, 0));
/// sink.collect();
/// assert_eq!(sink.send(&trigger("b"))?, Sent::Accepted(2));
/// assert_eq!((sink.accepted(), sink.acknowledged()), (2, 1));
/// # Ok(())
/// # }
/// ```
pub trait TriggerSink {
    /// Kind of the sink in metrics: one lower-case word, such as `kafka`.
    fn kind(&self) -> &'static str;

    /// Offers one trigger to the sink.
    ///
    /// # Errors
    /// If the sink has failed for good.
    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError>;

    /// Hands on what the sink has buffered, as far as that is possible without blocking, and returns whether
    /// nothing is left. The caller calls it again soon if something is. Only sinks without a thread of their
    /// own need it.
    ///
    /// # Errors
    /// If the sink has failed for good.
    fn flush(&self) -> Result<bool, TriggerSinkError> {
        Ok(true)
    }

    /// Sequence number of the last accepted trigger; 0 before the first.
    fn accepted(&self) -> u64;

    /// Highest sequence number up to which all triggers are acknowledged; 0 before the first.
    fn acknowledged(&self) -> u64;

    /// Counts since the start of the sink.
    fn stats(&self) -> SinkStats;

    /// Checks whether the sink has failed for good; it may fail long after it has accepted a trigger.
    ///
    /// # Errors
    /// If the sink has failed for good.
    fn check(&self) -> Result<(), TriggerSinkError> {
        Ok(())
    }

    /// Figures of the sink's spool, if it has one.
    fn spool(&self) -> Option<SpoolStats> {
        None
    }
}

/// Answer of a sink to a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a full sink has not taken the trigger"]
pub enum Sent {
    /// The trigger is queued under this sequence number.
    Accepted(u64),
    /// The queue is full: offer the trigger again, before any later one.
    Full,
    /// The sink can never take this trigger, for this reason, which says what to change. It counts as failed;
    /// the sink continues with the next.
    Refused(String),
}

/// Counts of one sink since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Triggers accepted and neither delivered, dead nor failed.
    pub queued: u64,
    /// Triggers that the receiver has taken.
    pub delivered: u64,
    /// Attempts after a trigger's first one.
    pub retried: u64,
    /// Triggers written to the sink's dead letters.
    pub dead: u64,
    /// Those of them that became too old.
    pub expired: u64,
    /// Triggers that the sink or its receiver refused for good, and that are in no dead letters.
    pub failed: u64,
}

/// The reason why a sink cannot be opened, or takes no more triggers.
#[derive(Debug, thiserror::Error)]
pub enum TriggerSinkError {
    /// The reader of the sink's output has closed it, as `head` does: an end rather than a fault.
    #[error("the reader of standard output has gone")]
    ReaderGone,
    /// A fault of the sink or of its receiver; the text says what to do.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

impl TriggerSinkError {
    /// Wraps the error of a sink.
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        TriggerSinkError::Failed(Box::new(error))
    }
}
