//! How time passes in a cluster.

use serde::{Deserialize, Serialize};

/// How time passes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// With the wall clock.
    Live {
        /// Length of an epoch, ms.
        epoch: u64,
        /// Between two instants at which workers take in what has come, ms (0: at once).
        tick: u64,
    },
    /// With the events; rules are published at that instant (unix ms).
    Replay {
        /// When all rules were published.
        publish_at: i64,
    },
}

impl Time {
    /// Whether time is the wall clock's.
    pub fn is_live(self) -> bool {
        matches!(self, Time::Live { .. })
    }
}
