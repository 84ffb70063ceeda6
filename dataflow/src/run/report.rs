//! What workers tell worker 0, through the dataflow.

use operators::ops::{evaluating::RuleFailure, match_events::Marked};
use serde::{Deserialize, Serialize};

use crate::checkpoint::BlobRef;

/// A worker's word to worker 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// The book of that generation is made here.
    Ready {
        /// Its generation.
        generation: u64,
        /// Rules that did not compile, with the reason.
        rejected: Vec<(String, String)>,
    },
    /// How far this worker's sources had come at a barrier.
    Marked(Marked),
    /// This worker's part of a checkpoint is written.
    Saved {
        /// The checkpoint.
        n: u64,
        /// What it consists of.
        blobs: Vec<BlobRef>,
    },
    /// All this worker's partitions have ended.
    Ended,
    /// This worker waits for something outside: a dataflow that stands still is no wonder.
    Waits,
    /// Calls of a rule failed.
    Failed(RuleFailure),
}
