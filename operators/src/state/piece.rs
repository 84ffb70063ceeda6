//! Piece: what one key remembers, in one run of words of the [`Arena`].
//!
//! First a directory, ascending: per 64 ordinals of which something is there an entry of three words, `[chunk
//! and offset][present][dirty]`. Then the words of the parts that are present, in the order of their
//! ordinals. A part is found by its entry's offset and the widths of the present parts before it (*rank*), so
//! one that is absent costs a bit, and none is touched to find another.
//!
//! **Invariants**
//! - Entries ascend by chunk; each has a present or a dirty bit. `offset` is the sum of the widths before.
//! - A dirty bit says that a checkpoint has yet to write the part, or to delete it if it is absent.
//! - A piece has less than twice the room that it needs.
//!
//! - `hints`: where parts were found last; `pass`: parts in ascending order
//! - `inserting`, `removing`: changes of what is there; `listing`: all of it

mod hints;
mod inserting;
mod listing;
mod pass;
mod removing;

use std::ops::Range;

pub(super) use self::{
    hints::{Hints, REGIONS},
    pass::Pass,
};
use super::{
    arena::{Arena, LINE, class_of, words_of},
    layout::{Layout, Ordinal, PER_CHUNK, split},
};

/// Words of a directory entry.
const ENTRY: usize = 3;

/// A key's piece: where it lies, and its lengths. The words are in the arena; who drops a piece that is not
/// empty leaks them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    line: u32,
    /// Words of present parts.
    words: u32,
    /// Directory entries.
    chunks: u16,
    class: u8,
}

/// A directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    chunk: u32,
    offset: u32,
    present: u64,
    dirty: u64,
}

impl Entry {
    /// Words of the parts before one of the chunk.
    #[inline(always)]
    fn before(self, layout: &Layout, ordinal: Ordinal) -> usize {
        let (_, bit) = split(ordinal);
        if self.present == 0 { 0 } else { layout.words(self.chunk, self.present & (bit - 1)) }
    }
}

/// Parts of a chunk that are present, and that a checkpoint has yet to write or delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) present: u64,
    pub(super) dirty: u64,
}

/// A part to be put in, with its words in a slice beside.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) ordinal: Ordinal,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) dirty: bool,
}

/// Where a part lies in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// First word.
    start: u32,
    width: u32,
    /// Position of the directory entry.
    entry: u16,
    bit: u8,
}

impl Piece {
    /// Whether nothing is present and nothing dirty.
    pub(super) fn is_empty(self) -> bool {
        self.chunks == 0
    }

    /// Whether nothing is present, but something is to be deleted from the store.
    pub(super) fn is_leaving(self) -> bool {
        self.chunks > 0 && self.words == 0
    }

    /// Bytes of its memory.
    #[cfg(test)]
    pub(super) fn bytes(self) -> usize {
        words_of(self.class) * size_of::<u64>()
    }

    /// Fetches the piece ahead of its use, up to so many words.
    #[inline]
    pub(super) fn prefetch(self, arena: &Arena, most: usize) {
        arena.prefetch(self.line, self.end().min(most));
    }

    /// Number of words in use.
    fn end(self) -> usize {
        usize::from(self.chunks) * ENTRY + self.words as usize
    }

    /// Begins a pass over the piece; what is found is marked as dirty if changes are recorded.
    #[inline]
    pub(super) fn pass(self, arena: &mut Arena, records: bool) -> Pass<'_> {
        Pass::new(self, arena.words_from_mut(self.line), records)
    }

    /// Finds a part that is present.
    pub(super) fn find(self, arena: &Arena, layout: &Layout, ordinal: Ordinal) -> Option<Place> {
        self.find_at(arena, layout, (ordinal, layout.width(ordinal)), &mut 0)
    }

    /// Finds a part of `width` words that is present, as `hints` say, which are brought up to date.
    #[inline(always)]
    pub(super) fn find_from(
        self,
        arena: &Arena,
        layout: &Layout,
        (ordinal, width): (Ordinal, usize),
        hints: &Hints,
    ) -> Option<Place> {
        let region = layout.region(ordinal);
        let mut hint = hints.at(region);
        let place = self.find_at(arena, layout, (ordinal, width), &mut hint);
        hints.set(region, hint);
        place
    }

    /// Finds a part of `width` words that is present. The search begins at the entry `hint`, which is set to
    /// where it ended: parts that are asked for in ascending order are found in one pass over the directory.
    #[inline(always)]
    fn find_at(
        self,
        arena: &Arena,
        layout: &Layout,
        (ordinal, width): (Ordinal, usize),
        hint: &mut usize,
    ) -> Option<Place> {
        let words = arena.words_from(self.line);
        let (chunk, bit) = split(ordinal);
        let at = self.entry_from(words, chunk as u32, hint)?;
        let entry = entry(words, at);
        if entry.present & bit == 0 {
            return None;
        }
        let before = entry.before(layout, ordinal) as u32;
        let start = u32::from(self.chunks) * ENTRY as u32 + entry.offset + before;
        Some(Place { start, width: width as u32, entry: at as u16, bit: (ordinal % PER_CHUNK) as u8 })
    }

    /// Entry of a chunk. It is looked for at `hint` and behind it first; `hint` is set to where it is, or
    /// would be.
    #[inline(always)]
    fn entry_from(self, words: &[u64], chunk: u32, hint: &mut usize) -> Option<usize> {
        let entries = usize::from(self.chunks);
        let at = |entry: usize| if entry < entries { entry_chunk(words, entry) } else { u32::MAX };
        let (here, next) = (at(*hint), at(*hint + 1));
        let within = match chunk {
            _ if chunk == here => return Some(*hint),
            _ if chunk < here && hint.checked_sub(1).is_none_or(|before| at(before) < chunk) => return None,
            _ if chunk < here => 0..(*hint).min(entries),
            _ if chunk == next => {
                *hint += 1;
                return Some(*hint);
            }
            _ if chunk < next => return None,
            _ => *hint + 2..entries,
        };
        let found = position(words, chunk, within);
        *hint = found.unwrap_or_else(|at| at);
        found.ok()
    }

    /// Words of a part.
    #[inline]
    pub(super) fn part(self, arena: &Arena, place: Place) -> &[u64] {
        &arena.words_from(self.line)[place.start as usize..][..place.width as usize]
    }

    /// Words of a part, mutable.
    #[inline]
    pub(super) fn part_mut(self, arena: &mut Arena, place: Place) -> &mut [u64] {
        &mut arena.words_from_mut(self.line)[place.start as usize..][..place.width as usize]
    }

    /// Marks a present part as dirty.
    #[inline]
    pub(super) fn mark(self, arena: &mut Arena, place: Place) {
        arena.words_from_mut(self.line)[usize::from(place.entry) * ENTRY + 2] |= 1 << place.bit;
    }

    /// The class for so many words: the present one unless it lacks room, or has twice as much as is needed.
    fn class_for(self, words: usize) -> u8 {
        let room = words_of(self.class);
        let fits = words <= room && room < 2 * words.next_multiple_of(LINE);
        if fits { self.class } else { class_of(words) }
    }

    /// Moves the piece to the class for `words` if it lacks room, or has twice as much as it needs.
    fn resize(&mut self, arena: &mut Arena, words: usize) {
        let class = self.class_for(words);
        if class == self.class {
            return;
        }
        let kept = self.end().min(words_of(class));
        let line = if class == 0 { 0 } else { arena.allocate(class) };
        if class > 0 {
            let (from, to) = arena.two(self.line, kept, (line, class));
            to[..kept].copy_from_slice(from);
        }
        self.free(arena);
        (self.line, self.class) = (line, class);
    }

    /// Frees the memory. The caller has freed what the words name.
    pub(super) fn free(self, arena: &mut Arena) {
        if self.class > 0 {
            arena.free(self.line, self.class);
        }
    }
}

/// Position of a chunk's entry among those at `within`, or the position at which it would have to be inserted
/// there.
#[inline(never)]
fn position(words: &[u64], chunk: u32, within: Range<usize>) -> Result<usize, usize> {
    // Chunks are distinct and ascend from 0, so no entry lies behind its number; in a piece that has them all
    // it lies there.
    let (mut low, mut high) = (within.start, within.end.min(chunk as usize + 1));
    if low < high && entry_chunk(words, high - 1) == chunk {
        return Ok(high - 1);
    }
    while low < high {
        let middle = (low + high) / 2;
        match entry_chunk(words, middle) {
            found if found == chunk => return Ok(middle),
            found if found < chunk => low = middle + 1,
            _ => high = middle,
        }
    }
    Err(low)
}

fn entry_chunk(words: &[u64], at: usize) -> u32 {
    (words[at * ENTRY] >> 32) as u32
}

fn entry(words: &[u64], at: usize) -> Entry {
    let own = &words[at * ENTRY..at * ENTRY + ENTRY];
    Entry { chunk: (own[0] >> 32) as u32, offset: own[0] as u32, present: own[1], dirty: own[2] }
}

fn write(words: &mut [u64], at: usize, Entry { chunk, offset, present, dirty }: Entry) {
    words[at * ENTRY..at * ENTRY + ENTRY].copy_from_slice(&[
        u64::from(chunk) << 32 | u64::from(offset),
        present,
        dirty,
    ]);
}
