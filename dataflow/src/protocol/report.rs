//! Reports of workers to worker 0, through the dataflow.

use operators::{
    model::ids::{BookGeneration, CheckpointNumber},
    ops::{RuleFailure, StoredBlob, read::BarrierReached},
};
use serde::{Deserialize, Serialize};

use xxhash_rust::xxh3::xxh3_64;

use super::rules::RuleFaults;

/// A report of a worker to worker 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// The book of a generation is made on this worker's process.
    Ready {
        /// Generation of the book.
        generation: BookGeneration,
        /// Rules of the change set that have faults.
        faults: RuleFaults,
    },
    /// This worker's sources have reached a barrier.
    BarrierReached(BarrierReached),
    /// This worker's part of a checkpoint is written.
    Saved {
        /// Number of the checkpoint.
        number: CheckpointNumber,
        /// Blobs of the part.
        blobs: Vec<BlobRef>,
    },
    /// All this worker's partitions have ended.
    Ended,
    /// This worker waits for something outside, which explains a dataflow without progress.
    Waits,
    /// Calls of a rule failed.
    Failed(RuleFailure),
}

/// A blob of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// Name in the store, that of its first piece.
    pub name: String,
    /// Hash of the bytes.
    pub digest: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Whether it holds triggers that wait for their commit, rather than state.
    pub triggers: bool,
}

impl BlobRef {
    /// Reference to a blob with these bytes.
    pub fn of(name: String, bytes: &[u8], triggers: bool) -> Self {
        BlobRef { name, digest: xxh3_64(bytes), bytes: bytes.len() as u64, triggers }
    }

    /// The reference as the workers receive it at a restart.
    pub fn stored(&self) -> StoredBlob {
        let BlobRef { name, digest, bytes, .. } = self;
        StoredBlob { name: name.clone(), digest: *digest, bytes: *bytes }
    }

    /// Whether the blob has these bytes.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.digest == xxh3_64(bytes)
    }
}
