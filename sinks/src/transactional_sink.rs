//! The contract of a sink whose triggers leave in one transaction with the number of their checkpoint.
//!
//! It is the commit phase of a two-phase commit whose transactions survive the process that began them:
//!
//! | phase | by whom | what is durable afterwards |
//! | --- | --- | --- |
//! | begin, write | every worker | the triggers fired before the barrier, as blobs of the checkpoint |
//! | prepare | the commit of the checkpoint | the list of those blobs: the triggers will be published |
//! | commit | `publish`, called by one thread | the triggers and the number, at the receiver |
//!
//! **Invariants** of every sink:
//!
//! - Atomic: readers of the receiver see all triggers of a batch or none, and the number is stored with them.
//! - Ascending: numbers only grow; a number is published at most once. Gaps are allowed.
//! - Recovery: `last_published` returns the number that the receiver has stored, also after a crash in the
//!   middle of `publish`. A caller that publishes every committed checkpoint above it, in order, delivers
//!   each trigger exactly once.
//! - Fencing: opening a sink aborts open transactions of an earlier one with the same identity and fences it:
//!   nothing that it does afterwards takes effect, and it reports [`Fenced`](TransactionError::Fenced).
//! - After [`TooLarge`](TransactionError::TooLarge) nothing of the batch is published, and the sink goes on.
//!   After any other error the sink has to be opened again before anything is published.

use std::error::Error;

use operators::model::ids::CheckpointNumber;

use crate::trigger::Trigger;

/// A sink that publishes the triggers of a checkpoint, all or none, once the checkpoint is committed.
///
/// Methods block until the receiver has answered; the sink retries transient errors itself, within a time
/// limit. The [module](self) states the invariants.
///
/// ```
/// use operators::model::ids::CheckpointNumber;
/// use strateye_sinks::{TransactionError, TransactionalSink, Trigger};
///
/// /// A receiver in memory.
/// #[derive(Default)]
/// struct Inbox {
///     last: Option<CheckpointNumber>,
///     lines: Vec<String>,
/// }
///
/// impl TransactionalSink for Inbox {
///     fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError> {
///         Ok(self.last)
///     }
///
///     fn publish(&mut self, number: CheckpointNumber, batch: &[Trigger]) -> Result<(), TransactionError> {
///         self.lines.extend(batch.iter().map(|trigger| trigger.line.clone()));
///         self.last = Some(number);
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), TransactionError> {
/// let mut sink = Inbox::default();
/// let trigger = |id: &str| Trigger { id: id.into(), key: "1001".into(), line: format!("line of {id}"), ..Trigger::default() };
/// for (number, batch) in [(1, vec![trigger("a")]), (1, vec![trigger("a")]), (3, vec![trigger("b")])] {
///     let number = CheckpointNumber(number);
///     if sink.last_published()? < Some(number) {
///         sink.publish(number, &batch)?;
///     }
/// }
/// assert_eq!(sink.lines, ["line of a", "line of b"]);
/// # Ok(())
/// # }
/// ```
pub trait TransactionalSink: Send {
    /// Reads the number of the last published checkpoint from the receiver; `None` before the first.
    ///
    /// # Errors
    /// If the receiver does not answer in time, or refuses to.
    fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError>;

    /// Publishes the triggers of a checkpoint and its number in one transaction; `number` is above
    /// [`last_published`](Self::last_published).
    ///
    /// # Errors
    /// Nothing was published, unless the error is [`InDoubt`](TransactionError::InDoubt).
    fn publish(&mut self, number: CheckpointNumber, batch: &[Trigger]) -> Result<(), TransactionError>;
}

/// The reason why a transactional sink cannot be opened, or has not published a batch.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// The receiver takes no trigger of this size. The batch can be published without it, and without those
    /// that are at least as large.
    #[error("{cause}")]
    TooLarge {
        /// The trigger.
        trigger: Box<Trigger>,
        /// The error of the sink; its text says what to do.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// Transient: the receiver did not answer in time, and the batch may or may not be published. Once the
    /// sink is open again, `last_published` says which.
    #[error(transparent)]
    InDoubt(Box<dyn Error + Send + Sync>),
    /// Final: another engine has opened the sink; this one must stop publishing.
    #[error(transparent)]
    Fenced(Box<dyn Error + Send + Sync>),
    /// Final: the receiver or its settings must be changed before it takes the batch; the text says what to
    /// do.
    #[error(transparent)]
    Refused(Box<dyn Error + Send + Sync>),
}
