//! The generation of a cluster.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};

/// Number of one start of the cluster: ascends with every restart, so that leftovers of an earlier start
/// neither join nor report. 0 before the first start; serializes as its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterGeneration(pub u64);

impl ClusterGeneration {
    /// The generation of the next start.
    #[must_use]
    pub fn next(self) -> Self {
        ClusterGeneration(self.0 + 1)
    }
}

impl fmt::Display for ClusterGeneration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As in environments and on command lines.
impl FromStr for ClusterGeneration {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(ClusterGeneration)
    }
}
