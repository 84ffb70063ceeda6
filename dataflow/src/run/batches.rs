//! Sizes of batches of records; they change no result.

use operators::ops::outgoing::MAX_ROUTED;
use serde::{Deserialize, Serialize};
use sources::events::MAX_RECORDS;

/// Most records in a batch; a batch that has many bytes has fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// As a source passes it to its worker.
    pub read: usize,
    /// As a worker sends it to the owner of its keys.
    pub routed: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig { read: MAX_RECORDS, routed: MAX_ROUTED }
    }
}
