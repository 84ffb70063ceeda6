//! Fetching of what keys will need ahead of its use.

use super::Store;
use crate::prefetch::prefetch;

/// Most words of a piece that are fetched ahead.
const FETCHED: usize = 128;

/// Part of a key that is fetched ahead of its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Its slot in the table.
    Table,
    /// Its block.
    Block,
    /// Its piece.
    Piece,
}

impl Store {
    /// Fetches what finding a key of that hash needs, ahead of its use: first where it stands in the table,
    /// some keys later its block, and some keys later its piece. Has no effect but on time.
    #[inline]
    pub fn prefetch(&self, ahead: Ahead, hash: u64) {
        if ahead == Ahead::Table {
            return self.table.prefetch(hash);
        }
        let Some(block) = self.table.guess(hash).and_then(|id| self.blocks.get(id as usize)) else { return };
        match ahead {
            Ahead::Table => {}
            Ahead::Block => {
                prefetch(&block.hash);
                prefetch(&block.piece);
            }
            Ahead::Piece => block.piece.prefetch(&self.memory.arena, FETCHED),
        }
    }
}
