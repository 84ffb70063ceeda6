//! Listing of what is in a piece.

use super::{
    super::{
        arena::Arena,
        layout::{Layout, Ordinal, ordinals_of, split},
    },
    Bits, ENTRY, Entry, Piece, entry,
};

impl Piece {
    /// Chunks with their bits, ascending.
    pub(in crate::state) fn chunks(self, arena: &Arena) -> impl Iterator<Item = (u32, Bits)> {
        let words = arena.words(self.line, self.class);
        (0..usize::from(self.chunks)).map(|at| {
            let Entry { chunk, present, dirty, .. } = entry(words, at);
            (chunk, Bits { present, dirty })
        })
    }

    /// Present parts with their words, ascending.
    pub(in crate::state) fn parts<'a>(
        self,
        arena: &'a Arena,
        layout: &'a Layout,
    ) -> impl Iterator<Item = (Ordinal, &'a [u64])> {
        let words = arena.words(self.line, self.class);
        let mut start = usize::from(self.chunks) * ENTRY;
        self.chunks(arena).flat_map(|(chunk, bits)| ordinals_of(chunk, bits.present)).map(move |ordinal| {
            let end = start + layout.width(ordinal);
            (ordinal, &words[std::mem::replace(&mut start, end)..end])
        })
    }

    /// Present parts with their words, ascending, among those of each chunk that `among` names.
    pub(in crate::state) fn parts_among<'a>(
        self,
        arena: &'a Arena,
        layout: &'a Layout,
        among: impl Fn(u32) -> u64,
    ) -> impl Iterator<Item = (Ordinal, &'a [u64])> {
        let words = arena.words(self.line, self.class);
        let entries = (0..usize::from(self.chunks)).map(|at| entry(words, at));
        entries.flat_map(move |Entry { chunk, offset, present, .. }| {
            let named = present & among(chunk);
            // The end of the part found last, and the bits up to it.
            let (mut end, mut before) = (usize::from(self.chunks) * ENTRY + offset as usize, 0);
            ordinals_of(chunk, named).map(move |ordinal| {
                let (_, bit) = split(ordinal);
                let between = present & (bit - 1) & !before;
                let start = end + if between == 0 { 0 } else { layout.words(chunk, between) };
                (end, before) = (start + layout.width(ordinal), bit | (bit - 1));
                (ordinal, &words[start..end])
            })
        })
    }
}
