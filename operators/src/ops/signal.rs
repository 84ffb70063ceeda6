//! Signals: messages of worker 0 to all workers, and the traits by which a process serves its operators.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        epoch::Epoch,
        ids::{BookGeneration, CheckpointNumber, Clocks, IngestTime, OwnerGeneration, Positions},
        trigger::Fired,
    },
    rule::{catalog::Applied, change::ChangeSet, rows::Rows},
    state::Delta,
};

/// Message of worker 0, broadcast to all workers in order.
///
/// **Invariants**: `Start` comes first, once. Epochs ascend. Barriers (switches, checkpoints, corrections)
/// are announced two epochs ahead: when `Epoch(e)` was the last one sent, the next barrier is at `e + 2`. So
/// a receiver of `Epoch(e)` knows all barriers up to `e + 1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Signal {
    /// Announces an epoch: sources send their further reads in it.
    Epoch(Epoch),
    /// Has every process make the book of this change set.
    Prepare(Arc<ChangeSet>),
    /// Switches books: records of epoch `at` and later are processed by the book of `generation`.
    Switch {
        /// The book's generation.
        generation: BookGeneration,
        /// First epoch that the book holds for.
        at: Epoch,
    },
    /// Begins a run, from a checkpoint if there is one.
    Start(Arc<Start>),
    /// Takes checkpoint `number`: state and positions as they stand before records of epoch `at`.
    Checkpoint {
        /// Its number.
        number: CheckpointNumber,
        /// First epoch that is not part of the checkpoint.
        at: Epoch,
    },
    /// Applies corrections by people before records of epoch `at`.
    Correct {
        /// The corrections, in their order.
        corrections: Arc<Vec<Correction>>,
        /// First epoch that sees them.
        at: Epoch,
    },
    /// Informs sources of the positions of a durable checkpoint.
    Committed(Arc<Positions>),
    /// Checkpoints up to this number are compacted: part of the readable state.
    Compacted(CheckpointNumber),
    /// Pauses sources (true) or resumes them (false).
    Hold(bool),
}

/// Checkpoint from which a cluster continues; all empty if there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Owner generation of this run, among all runs that kept state in the same store; 0 if no state is kept.
    pub generation: OwnerGeneration,
    /// First offset not read yet, by partition.
    pub positions: Positions,
    /// The ingest clocks, by partition.
    pub clocks: Clocks,
    /// Number of the checkpoint that is resumed, if one is.
    pub checkpoint: Option<CheckpointNumber>,
    /// Names of stored states.
    pub states: Vec<String>,
    /// Blobs with changes of state that may not be compacted yet, in their order.
    pub blobs: Vec<StoredBlob>,
}

/// A blob of the checkpoint that is resumed, as its manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBlob {
    /// Name in the store.
    pub name: String,
    /// Hash of the bytes.
    pub digest: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl Start {
    /// Clock of the timers: the least of all partitions'.
    pub fn clock(&self) -> IngestTime {
        self.clocks.least().map_or(IngestTime::MIN, |(_, clock)| clock)
    }
}

/// Correction of a condition's state by people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The rule.
    pub rule_id: String,
    /// The condition.
    pub condition: String,
    /// The key.
    pub key: String,
    /// The state as text; `None` resets it to its initial value.
    pub text: Option<String>,
    /// Name of the person.
    pub by: String,
}

/// Stored states on their way to the worker that owns their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Index of the worker.
    pub to: u64,
    /// Rank among several texts of one state: that of the highest order counts.
    pub order: u64,
    /// The states; one without a text is deleted.
    pub states: Delta,
}

/// Receiver of the parts of a worker's checkpoints; no method blocks.
pub trait Saver {
    /// Whether it keeps checkpoints at all; if not, changes are not recorded.
    fn keeps_state(&self) -> bool {
        true
    }

    /// Whether checkpoints contain triggers.
    fn holds_triggers(&self) -> bool;

    /// Takes a part of checkpoint `number`; the last one is [`Part::End`].
    fn save(&self, number: CheckpointNumber, part: Part);
}

/// Part of a worker's checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Changes of state.
    State(Delta),
    /// Triggers fired since the checkpoint before.
    Triggers(Vec<Fired>),
    /// End of the worker's parts.
    End,
}

/// Saver for clusters that keep no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSaver;

impl Saver for NoSaver {
    fn keeps_state(&self) -> bool {
        false
    }

    fn holds_triggers(&self) -> bool {
        false
    }

    fn save(&self, _number: CheckpointNumber, _part: Part) {}
}

/// Rule books of a process, each kept until all its workers have switched to it.
pub trait Shelf {
    /// Book of a generation, with the changes of crowds since the one before; `None` until it is made.
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>>;

    /// Rows of crowds as far as they are built, which may lag behind any book or be ahead of it; `None` if
    /// there are none. Does not block.
    fn rows(&self) -> Option<Arc<Rows>> {
        None
    }

    /// Whether the first rows of the process are being built, so that reads should wait for them. Within
    /// seconds it is false for good, whether there are rows then or not. Does not block.
    fn awaits_rows(&self) -> bool {
        false
    }
}

/// Action of all workers between two epochs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Barrier {
    /// Switch to another book.
    Switch {
        /// Its generation.
        generation: BookGeneration,
    },
    /// Save the state.
    Checkpoint {
        /// Number of the checkpoint.
        number: CheckpointNumber,
    },
    /// Apply corrections by people.
    Correct(Arc<Vec<Correction>>),
}

impl Signal {
    /// Epoch and barrier that the signal announces.
    pub(super) fn barrier(&self) -> Option<(Epoch, Barrier)> {
        match self {
            Signal::Switch { generation, at } => Some((*at, Barrier::Switch { generation: *generation })),
            Signal::Checkpoint { number, at } => Some((*at, Barrier::Checkpoint { number: *number })),
            Signal::Correct { corrections, at } => Some((*at, Barrier::Correct(Arc::clone(corrections)))),
            Signal::Epoch(_)
            | Signal::Prepare(_)
            | Signal::Start(_)
            | Signal::Committed(_)
            | Signal::Compacted(_)
            | Signal::Hold(_) => None,
        }
    }
}
