//! Fetching of what keys will need ahead of its use.
//!
//! Each step reads what the step before has fetched, some keys earlier.

use super::Store;
use crate::{
    processor::prefetch,
    state::{KeyBlock, layout::Ordinal},
};

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

    /// Fetches the directory of the piece of a key of that hash.
    #[inline]
    pub fn prefetch_directory(&self, hash: u64) {
        if let Some(block) = self.guess(hash) {
            block.piece.prefetch_directory(&self.memory.arena);
        }
    }

    /// Fetches parts of a key of that hash, which are of its `key_by`.
    #[inline(always)]
    pub fn prefetch_parts(&self, hash: u64, key_group: u32, parts: impl Iterator<Item = Ordinal>) {
        if let Some(block) = self.guess(hash)
            && block.group == key_group
        {
            block.piece.prefetch_parts(&self.memory.arena, &self.layouts[key_group as usize], parts);
        }
    }

    /// Block of a key that probably has that hash.
    #[inline]
    fn guess(&self, hash: u64) -> Option<&KeyBlock> {
        self.table.guess(hash).and_then(|id| self.blocks.get(id as usize))
    }
}
