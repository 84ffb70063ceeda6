//! What worker 0 tells all workers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rule::book::{Applied, ChangeSet};

/// A word of worker 0, broadcast in order.
///
/// **Invariants**: epochs ascend. A switch is announced two epochs ahead: when `Epoch(e)` was the last one said, the next
/// switch is at `e + 2`. So whoever has heard `Epoch(e)` knows of all switches up to `e + 1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Signal {
    /// What sources read from now on belongs to this epoch.
    Epoch(u64),
    /// Every process is to make the book of this change set.
    Prepare(Arc<ChangeSet>),
    /// Records of epoch `at` and later are read by the book of `generation`.
    Switch {
        /// The book's generation.
        generation: u64,
        /// First epoch that it holds for.
        at: u64,
    },
}

/// Where a process keeps the books it has made, until all its workers have switched.
pub trait Shelf {
    /// What the change set of that generation led to, once it is made.
    fn applied(&self, generation: u64) -> Option<Arc<Applied>>;
}

/// A switch that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) generation: u64,
    pub(super) at: u64,
}
