//! Time of a cluster: the wall clock, or the events' own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Mode of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Time {
    /// Wall-clock time.
    Live {
        /// Length of an epoch, ms.
        epoch: u64,
        /// Interval at which workers process their input, ms (0: at once).
        tick: u64,
    },
    /// Time of the events; all rules are published at one instant.
    Replay {
        /// Instant of publish of all rules, unix ms.
        publish_at: i64,
        /// Length of an epoch, ms of the wall clock.
        epoch: u64,
    },
}

impl Time {
    /// Whether time is the wall clock's.
    pub fn is_live(self) -> bool {
        matches!(self, Time::Live { .. })
    }

    /// Length of an epoch by the wall clock.
    pub fn epoch(self) -> Duration {
        let (Time::Live { epoch, .. } | Time::Replay { epoch, .. }) = self;
        Duration::from_millis(epoch)
    }
}

/// The wall clock, unix ms.
pub fn wall_clock() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    i64::try_from(now).unwrap_or(i64::MAX)
}
