//! Fetching of what keys will need ahead of its use.
//!
//! Each step reads what the step before has fetched, some keys earlier.

use super::Store;
use crate::{processor::prefetch, state::KeyBlock};

impl Store {
    /// Fetches where a key of that hash stands in the table.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Fetches the block of a key of that hash.
    #[inline]
    pub fn prefetch_block(&self, hash: u64) {
        if let Some(block) = self.guess(hash) {
            prefetch(&block.hash);
            prefetch(&block.piece);
        }
    }

    /// Fetches the piece of a key of that hash, up to so many words.
    #[inline]
    pub fn prefetch_piece(&self, hash: u64, most: usize) {
        if let Some(block) = self.guess(hash) {
            block.piece.prefetch(&self.memory.arena, most);
        }
    }

    /// Block of a key that probably has that hash.
    #[inline]
    fn guess(&self, hash: u64) -> Option<&KeyBlock> {
        self.table.guess(hash).and_then(|id| self.blocks.get(id as usize))
    }
}
