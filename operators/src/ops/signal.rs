//! What worker 0 tells all workers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        ids::{BookGeneration, CheckpointNumber, Clocks, IngestTime, OwnerGeneration, Positions},
        trigger::Fired,
    },
    rule::book::{Applied, ChangeSet},
    state::Delta,
};

/// A word of worker 0, broadcast in order.
///
/// **Invariants**: `Start` comes first, once. Epochs ascend. Barriers (switches, checkpoints, corrections) are announced two epochs
/// ahead: when `Epoch(e)` was the last one said, the next barrier is at `e + 2`. So whoever has heard `Epoch(e)` knows of
/// all barriers up to `e + 1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Signal {
    /// What sources read from now on belongs to this epoch.
    Epoch(u64),
    /// Every process is to make the book of this change set.
    Prepare(Arc<ChangeSet>),
    /// Records of epoch `at` and later are read by the book of `generation`.
    Switch {
        /// The book's generation.
        generation: BookGeneration,
        /// First epoch that it holds for.
        at: u64,
    },
    /// From where to go on.
    Start(Arc<Start>),
    /// State and positions as they stand before records of epoch `at` are checkpoint `n`.
    Checkpoint {
        /// Its number.
        n: CheckpointNumber,
        /// First epoch that is not in it.
        at: u64,
    },
    /// People correct states, before records of epoch `at`.
    Correct {
        /// The corrections, in their order.
        corrections: Arc<Vec<Correction>>,
        /// First epoch that sees them.
        at: u64,
    },
    /// A checkpoint with these positions is durable.
    Committed(Arc<Positions>),
    /// Checkpoints up to this one are part of the readable state.
    Folded(CheckpointNumber),
    /// Whether sources are to pause.
    Hold(bool),
}

/// From where a cluster goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The generation of this run, among all that kept state in the same place; 0 where none is kept.
    pub generation: OwnerGeneration,
    /// First offset not read yet, by partition.
    pub positions: Positions,
    /// The ingest clocks, by partition.
    pub clocks: Clocks,
    /// The number of the checkpoint that is resumed, if one is.
    pub checkpoint: Option<CheckpointNumber>,
    /// Names of stored state.
    pub states: Vec<String>,
    /// Blobs with changes of state that may not be part of it yet, in their order.
    pub blobs: Vec<String>,
}

impl Start {
    /// The least clock: that of the timers.
    pub fn clock(&self) -> IngestTime {
        self.clocks.least().map_or(IngestTime::MIN, |(_, clock)| clock)
    }
}

/// A correction of a condition's state by people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The rule.
    pub rule_id: String,
    /// The condition.
    pub condition: String,
    /// The key.
    pub key: String,
    /// The state as text; `None` puts it back to its beginning.
    pub text: Option<String>,
    /// Who says so.
    pub by: String,
}

/// Stored states on their way to the worker that owns their keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The worker.
    pub to: u64,
    /// Which of several texts of the same state counts: the one of the highest order.
    pub order: u64,
    /// The states; one that is deleted is not there any more.
    pub states: Delta,
}

/// Takes what a checkpoint consists of, off the worker's hands.
pub trait Saver {
    /// Whether it takes checkpoints at all; if not, nothing is noted for them.
    fn keeps_state(&self) -> bool {
        true
    }

    /// Whether triggers are part of checkpoints.
    fn holds_triggers(&self) -> bool;

    /// A part of checkpoint `n`. The last one is [`Part::End`].
    fn save(&self, n: CheckpointNumber, part: Part);
}

/// A part of a worker's checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Changes of state.
    State(Delta),
    /// Triggers fired since the checkpoint before.
    Triggers(Vec<Fired>),
    /// That was all.
    End,
}

/// Saves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSaver;

impl Saver for NoSaver {
    fn keeps_state(&self) -> bool {
        false
    }

    fn holds_triggers(&self) -> bool {
        false
    }

    fn save(&self, _n: CheckpointNumber, _part: Part) {}
}

/// Where a process keeps the books it has made, until all its workers have switched.
pub trait Shelf {
    /// What the change set of that generation led to, once it is made.
    fn applied(&self, generation: BookGeneration) -> Option<Arc<Applied>>;
}

/// Something that happens between two epochs on all workers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Barrier {
    /// The book changes.
    Switch {
        /// To the one of this generation.
        generation: BookGeneration,
    },
    /// State is saved.
    Checkpoint {
        /// As part of this checkpoint.
        n: CheckpointNumber,
    },
    /// State is corrected.
    Correct(Arc<Vec<Correction>>),
}

impl Signal {
    /// The barrier that a word announces, and its epoch.
    pub(super) fn barrier(&self) -> Option<(u64, Barrier)> {
        match self {
            Signal::Switch { generation, at } => Some((*at, Barrier::Switch { generation: *generation })),
            Signal::Checkpoint { n, at } => Some((*at, Barrier::Checkpoint { n: *n })),
            Signal::Correct { corrections, at } => Some((*at, Barrier::Correct(Arc::clone(corrections)))),
            Signal::Epoch(_)
            | Signal::Prepare(_)
            | Signal::Start(_)
            | Signal::Committed(_)
            | Signal::Folded(_)
            | Signal::Hold(_) => None,
        }
    }
}
