//! Messages from sources to `match`, and what `match` reports at a barrier.

use serde::{Deserialize, Serialize};

use crate::model::{
    ids::{BookGeneration, CheckpointNumber, Clocks, IngestTime, PartitionId, Positions},
    raw::RawBatch,
};

/// Message of a source to `match`.
#[derive(Clone, Debug)]
pub enum Read {
    /// Records of a partition.
    Batch(RawBatch),
    /// Further partitions are open, each with the offset at which reading begins.
    Opened(Positions),
    /// The partitions have no more records at present: their ingest clocks may advance to `clock`.
    Idle {
        /// The partitions.
        partitions: Vec<PartitionId>,
        /// Ingest time to advance to; the grace period is already subtracted.
        clock: IngestTime,
    },
    /// A barrier: reads before it belong to earlier epochs, reads after it to the barrier's epoch and later.
    Barrier {
        /// The checkpoint or switch.
        barrier: SourceBarrier,
        /// First offset not read, by partition.
        positions: Positions,
    },
    /// The partition has ended for good; timers due at its last instant may run.
    End {
        /// The partition.
        partition: PartitionId,
    },
}

/// A barrier that every source passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceBarrier {
    /// The checkpoint of this number.
    Checkpoint(CheckpointNumber),
    /// The switch to the book of this generation.
    Switch(BookGeneration),
}

/// Report of a worker's `match` that its sources have reached a barrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BarrierReached {
    /// The checkpoint or switch.
    pub barrier: SourceBarrier,
    /// First offset not read, by partition.
    pub positions: Positions,
    /// Ingest clocks.
    pub clocks: Clocks,
}
