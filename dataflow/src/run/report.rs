//! What workers tell worker 0, through the dataflow.

use operators::ops::evaluating::RuleFailure;
use serde::{Deserialize, Serialize};

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
    /// All this worker's partitions have ended.
    Ended,
    /// Calls of a rule failed.
    Failed(RuleFailure),
}
