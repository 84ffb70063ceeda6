//! Epochs: the timestamps of the dataflow.
//!
//! An epoch is a timestamp of its own, so that timely's types tell it from an offset and any other number. It
//! costs what its number costs: in memory, in comparisons, and on the wire, which timely and differential
//! leave to serde.
//!
//! **Invariant**: no path of the graph advances an epoch, as the graph has no cycles; so the summary of every
//! path is `()`.

use std::fmt;

use differential_dataflow::lattice::Lattice;
use serde::{Deserialize, Serialize};
use timely::{
    order::{PartialOrder, TotalOrder},
    progress::{
        Timestamp,
        timestamp::{PathSummary, Refines},
    },
};

/// Timely time: a number that worker 0 announces to all workers. 0 is before the first; serializes as its
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Above every epoch.
    pub const MAX: Epoch = Epoch(u64::MAX);

    /// The epoch after this one.
    pub fn next(self) -> Self {
        Epoch(self.0 + 1)
    }

    /// Epoch of the next barrier to be announced, if this epoch is the last announced: two ahead. So whoever
    /// has received an epoch knows all barriers up to the epoch after it.
    pub fn next_barrier(self) -> Self {
        Epoch(self.0 + 2)
    }

    /// Number of epochs from `earlier` to before this one; 0 if that lies behind it.
    pub fn epochs_from(self, earlier: Epoch) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialOrder for Epoch {
    fn less_than(&self, other: &Self) -> bool {
        self < other
    }

    fn less_equal(&self, other: &Self) -> bool {
        self <= other
    }
}

impl TotalOrder for Epoch {}

impl Timestamp for Epoch {
    type Summary = ();

    fn minimum() -> Self {
        Epoch(0)
    }
}

impl PathSummary<Epoch> for () {
    fn results_in(&self, epoch: &Epoch) -> Option<Epoch> {
        Some(*epoch)
    }

    fn followed_by(&self, _other: &()) -> Option<()> {
        Some(())
    }
}

/// Epochs within timely's root scope, which knows no time.
impl Refines<()> for Epoch {
    fn to_inner((): ()) -> Self {
        Epoch::minimum()
    }

    fn to_outer(self) {}

    fn summarize((): ()) {}
}

impl Lattice for Epoch {
    fn join(&self, other: &Self) -> Self {
        (*self).max(*other)
    }

    fn meet(&self, other: &Self) -> Self {
        (*self).min(*other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_ordered_joined_and_written_as_their_numbers() {
        let (earlier, later) = (Epoch(9), Epoch(10));
        assert!(earlier.less_than(&later) && earlier.less_equal(&earlier) && !later.less_equal(&earlier));
        assert_eq!((earlier.join(&later), earlier.meet(&later)), (later, earlier));
        assert_eq!([later.epochs_from(earlier), earlier.epochs_from(later)], [1, 0]);
        assert_eq!(serde_json::to_string(&later).unwrap(), "10");
        assert_eq!(serde_json::from_str::<Epoch>("10").unwrap(), later);
    }

    #[test]
    fn the_next_barrier_leaves_one_epoch_before_it() {
        assert_eq!(Epoch(3).next_barrier(), Epoch(3).next().next());
    }
}
