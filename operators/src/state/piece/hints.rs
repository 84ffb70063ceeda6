//! Hints: the directory entries at which parts of a piece were found last.
//!
//! Ordinals go by event, and an event concerns parts in the order of their rules. So those of conditions that
//! begin with the same event ascend; but steps of others lie between them. With a hint for each region of the
//! ordinals every such row is followed in one pass over the directory.

use std::cell::Cell;

/// Number of regions.
pub(in crate::state) const REGIONS: usize = 16;

/// Stands for a region of which nothing was looked for.
const NONE: u16 = u16::MAX;

/// Hints of a piece, by region.
#[derive(Clone, Debug)]
pub(in crate::state) struct Hints {
    of: [Cell<u16>; REGIONS],
    last: Cell<u16>,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { of: [const { Cell::new(NONE) }; REGIONS], last: Cell::new(0) }
    }
}

impl Hints {
    /// The entry at which to begin in a region.
    #[inline(always)]
    pub(super) fn at(&self, region: usize) -> usize {
        let own = self.of[region % REGIONS].get();
        usize::from(if own == NONE { self.last.get() } else { own })
    }

    /// Keeps the entry at which a part of a region was found.
    #[inline(always)]
    pub(super) fn set(&self, region: usize, at: usize) {
        self.of[region % REGIONS].set(at as u16);
        self.last.set(at as u16);
    }
}
