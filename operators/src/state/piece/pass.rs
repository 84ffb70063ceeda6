//! A pass over a piece: parts in ascending order.

use super::{
    super::layout::{Layout, Ordinal, split},
    ENTRY, Piece, entry, entry_chunk, position,
};

/// Stands for no chunk.
const NONE: u32 = u32::MAX;

/// A pass over a piece. Parts that are changed are marked as dirty if changes are recorded.
#[derive(Debug)]
pub(in crate::state) struct Pass<'p> {
    /// Words of the piece, and of what follows it.
    words: &'p mut [u64],
    /// Number of directory entries.
    entries: usize,
    /// The chunk of the part asked for last.
    chunk: u32,
    /// Its entry, or the first one behind it if it has none.
    entry: usize,
    /// Parts of the chunk that are present.
    present: u64,
    /// First word of the chunk's parts.
    start: usize,
    /// Parts of the chunk that were changed.
    dirty: u64,
    records: bool,
}

impl<'p> Pass<'p> {
    /// Begins a pass over the `words` of a piece.
    pub(super) fn new(piece: Piece, words: &'p mut [u64], records: bool) -> Self {
        let entries = usize::from(piece.chunks);
        Pass { words, entries, chunk: NONE, entry: 0, present: 0, start: 0, dirty: 0, records }
    }

    /// First word of a part; `None` if it is not there.
    #[inline(always)]
    pub(in crate::state) fn find(&mut self, layout: &Layout, part: Ordinal) -> Option<usize> {
        let (chunk, bit) = split(part);
        if chunk as u32 != self.chunk {
            self.turn_to(chunk as u32);
        }
        let before = self.present & (bit - 1);
        (self.present & bit != 0).then(|| self.start + layout.words(chunk as u32, before))
    }

    /// Words from a position on.
    #[inline(always)]
    pub(in crate::state) fn words(&self, start: usize) -> &[u64] {
        &self.words[start..]
    }

    /// Words of the part found last, to be changed.
    #[inline(always)]
    pub(in crate::state) fn change(&mut self, part: Ordinal, start: usize, width: usize) -> &mut [u64] {
        let (_, bit) = split(part);
        self.dirty |= bit;
        &mut self.words[start..start + width]
    }

    /// Turns to a chunk behind the present one.
    #[inline(always)]
    fn turn_to(&mut self, chunk: u32) {
        self.mark();
        self.entry = self.entry_of(chunk);
        (self.chunk, self.present, self.dirty) = (chunk, 0, 0);
        if self.entry < self.entries {
            let own = entry(self.words, self.entry);
            if own.chunk == chunk {
                self.present = own.present;
                self.start = self.entries * ENTRY + own.offset as usize;
            }
        }
    }

    /// The first entry from the present one on that is not of a chunk before this one.
    #[inline(always)]
    fn entry_of(&self, chunk: u32) -> usize {
        for at in self.entry..self.entry + 2 {
            if at >= self.entries || entry_chunk(self.words, at) >= chunk {
                return at;
            }
        }
        // Chunks are distinct, so entries ascend no faster than these.
        let (from, here) = (self.entry + 2, entry_chunk(self.words, self.entry + 1));
        let end = (from + (chunk - here) as usize).min(self.entries);
        position(self.words, chunk, from..end).unwrap_or_else(|at| at)
    }

    /// Marks the parts of the chunk that were changed.
    #[inline(always)]
    fn mark(&mut self) {
        if self.dirty != 0 && self.records {
            self.words[self.entry * ENTRY + 2] |= self.dirty;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.mark();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{super::Entry, *};

    proptest! {
        #[test]
        fn chunks_are_found_in_one_pass(
            there in prop::collection::btree_map(0..200u32, 1..1_000u64, 0..80),
            asked in prop::collection::btree_set(0..200u32, 1..40),
        ) {
            let mut words = vec![0; there.len() * ENTRY];
            for (at, (chunk, present)) in there.iter().enumerate() {
                super::super::write(&mut words, at, Entry { chunk: *chunk, offset: 0, present: *present, dirty: 0 });
            }
            let piece = Piece { chunks: there.len() as u16, ..Piece::default() };
            let mut pass = Pass::new(piece, &mut words, true);
            for chunk in &asked {
                pass.turn_to(*chunk);
                prop_assert_eq!(pass.present, there.get(chunk).copied().unwrap_or_default());
                pass.dirty = pass.present;
            }
            drop(pass);
            let marked = (0..there.len()).map(|at| entry(&words, at)).filter(|own| own.dirty > 0);
            let marked: BTreeMap<u32, u64> = marked.map(|own| (own.chunk, own.dirty)).collect();
            let expected: BTreeSet<u32> = asked.into_iter().filter(|chunk| there.contains_key(chunk)).collect();
            prop_assert!(marked.keys().eq(&expected) && marked.iter().all(|(chunk, dirty)| there[chunk] == *dirty));
        }
    }
}
