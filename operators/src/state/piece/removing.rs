//! Taking parts out of a piece.

use super::{
    super::{
        arena::Arena,
        layout::{Layout, Ordinal, PER_CHUNK},
    },
    Bits, ENTRY, Entry, Piece, entry, write,
};

impl Piece {
    /// Takes out the words of present parts of a chunk; `left` receives each part with its words.
    fn remove_words(
        &mut self,
        arena: &mut Arena,
        layout: &Layout,
        (at, gone): (usize, u64),
        left: &mut impl FnMut(Ordinal, &[u64]),
    ) {
        let words = arena.words_mut(self.line, self.class);
        let first = usize::from(self.chunks) * ENTRY;
        let own = entry(words, at);
        let (mut removed, mut rest) = (0, own.present & gone);
        let mut to = first + own.offset as usize + layout.words(own.chunk, own.present & (lowest(rest) - 1));
        let mut from = to;
        while rest != 0 {
            let bit = lowest(rest);
            rest ^= bit;
            let width = layout.words(own.chunk, bit);
            left(own.chunk * PER_CHUNK + bit.trailing_zeros(), &words[from..from + width]);
            from += width;
            removed += width;
            // Up to the next part that goes, or to the end of the words.
            let end = if rest == 0 {
                first + self.words as usize
            } else {
                first + own.offset as usize + layout.words(own.chunk, own.present & (lowest(rest) - 1))
            };
            words.copy_within(from..end, to);
            to += end - from;
            from = end;
        }
        write(words, at, Entry { present: own.present & !gone, ..own });
        for later in at + 1..usize::from(self.chunks) {
            let moved = entry(words, later);
            write(words, later, Entry { offset: moved.offset - removed as u32, ..moved });
        }
        self.words -= removed as u32;
    }

    /// Calls `change` with each chunk of which something is there and its bits, and takes out the parts that it
    /// no longer returns as present; `left` receives each of these with its words, to free what they name.
    pub(in crate::state) fn change_chunks(
        &mut self,
        arena: &mut Arena,
        layout: &Layout,
        mut change: impl FnMut(u32, Bits) -> Bits,
        mut left: impl FnMut(Ordinal, &[u64]),
    ) {
        let mut at = 0;
        while at < usize::from(self.chunks) {
            let own = entry(arena.words(self.line, self.class), at);
            let before = Bits { present: own.present, dirty: own.dirty };
            let after = change(own.chunk, before);
            let gone = before.present & !after.present;
            if gone != 0 {
                self.remove_words(arena, layout, (at, gone), &mut left);
            }
            let words = arena.words_mut(self.line, self.class);
            words[at * ENTRY + 2] = after.dirty;
            if after.dirty == 0 && before.present == gone {
                let end = usize::from(self.chunks) * ENTRY + self.words as usize;
                words.copy_within((at + 1) * ENTRY..end, at * ENTRY);
                self.chunks -= 1;
            } else {
                at += 1;
            }
        }
        self.resize(arena, usize::from(self.chunks) * ENTRY + self.words as usize);
    }
}

/// Lowest bit of a mask that is not empty.
fn lowest(mask: u64) -> u64 {
    mask & mask.wrapping_neg()
}
