//! Putting parts into a piece: all of a record in one pass, from the back.

use super::{
    super::{
        arena::Arena,
        layout::{Layout, PER_CHUNK, split},
    },
    ENTRY, Entry, New, Piece, entry, write,
};

impl Piece {
    /// Puts in parts that are absent, ascending by ordinal; their words lie in `from`.
    pub(in crate::state) fn insert(&mut self, arena: &mut Arena, layout: &Layout, new: &[New], from: &[u64]) {
        let (old_entries, old_words) = (usize::from(self.chunks), self.words as usize);
        let added: usize = new.iter().map(|new| (new.end - new.start) as usize).sum();
        let entries = old_entries + self.missing(arena, new);
        self.resize(arena, entries * ENTRY + old_words + added);
        let words = arena.words_mut(self.line, self.class);
        self.insert_words(words, layout, new, from, (entries, added));
        self.insert_entries(words, new, (entries, added));
        (self.chunks, self.words) = (entries as u16, (old_words + added) as u32);
    }

    /// Number of directory entries that parts need besides those that are there.
    fn missing(self, arena: &Arena, new: &[New]) -> usize {
        let words = arena.words(self.line, self.class);
        let chunks = new.chunk_by(in_same_chunk);
        chunks.filter(|new| self.position(words, new[0].ordinal / PER_CHUNK).is_err()).count()
    }

    /// Makes room among the words for new parts and fills it, from the back; the directory stays as it is.
    fn insert_words(
        self,
        words: &mut [u64],
        layout: &Layout,
        new: &[New],
        from: &[u64],
        (entries, added): (usize, usize),
    ) {
        let first = usize::from(self.chunks) * ENTRY;
        let mut tail = first + self.words as usize;
        let mut to = entries * ENTRY + self.words as usize + added;
        for new in new.chunk_by(in_same_chunk).rev() {
            let own = self.words_of(words, new[0].ordinal / PER_CHUNK);
            for new in new.iter().rev() {
                let start = first + own.offset as usize + own.before(layout, new.ordinal);
                if start < tail {
                    to -= tail - start;
                    words.copy_within(start..tail, to);
                    tail = start;
                }
                let own = &from[new.start as usize..new.end as usize];
                to -= own.len();
                // They are few: a loop is faster than a call that copies them.
                words[to..to + own.len()].iter_mut().zip(own).for_each(|(to, own)| *to = *own);
            }
        }
        words.copy_within(first..tail, entries * ENTRY);
    }

    /// The entry of a chunk, or one of no words where they would belong.
    fn words_of(self, words: &[u64], chunk: u32) -> Entry {
        let none = |offset| Entry { chunk, offset, present: 0, dirty: 0 };
        match self.position(words, chunk) {
            Ok(at) => entry(words, at),
            Err(at) if at < usize::from(self.chunks) => none(entry(words, at).offset),
            Err(_) => none(self.words),
        }
    }

    /// Writes the directory with the entries of new parts, from the back.
    fn insert_entries(self, words: &mut [u64], new: &[New], (entries, added): (usize, usize)) {
        let (mut old, mut to) = (usize::from(self.chunks), entries);
        // Offset of the old entry behind, and the words added before it.
        let (mut behind, mut before) = (self.words, added as u32);
        for new in new.chunk_by(in_same_chunk).rev() {
            let chunk = new[0].ordinal / PER_CHUNK;
            while old > 0 && entry(words, old - 1).chunk > chunk {
                (old, to) = (old - 1, to - 1);
                let moved = entry(words, old);
                behind = moved.offset;
                write(words, to, Entry { offset: moved.offset + before, ..moved });
            }
            before -= new.iter().map(|new| new.end - new.start).sum::<u32>();
            let own = old.checked_sub(1).map(|at| entry(words, at)).filter(|own| own.chunk == chunk);
            old -= usize::from(own.is_some());
            let mut merged = own.unwrap_or(Entry { chunk, offset: behind, present: 0, dirty: 0 });
            behind = merged.offset;
            merged.offset += before;
            for new in new {
                let (_, bit) = split(new.ordinal);
                merged.present |= bit;
                merged.dirty |= if new.dirty { bit } else { 0 };
            }
            to -= 1;
            write(words, to, merged);
        }
    }
}

fn in_same_chunk(a: &New, b: &New) -> bool {
    a.ordinal / PER_CHUNK == b.ordinal / PER_CHUNK
}
