//! Putting parts into a piece: all of an occurrence in one pass, merged with what is there.

use super::{
    super::{
        arena::Arena,
        layout::{Layout, PER_CHUNK, split},
    },
    ENTRY, Entry, New, Piece, entry, entry_chunk, position, write,
};

/// Words up to which a loop is faster than a call that copies them.
const FEW: usize = 8;

impl Piece {
    /// Puts in parts that are absent, ascending by ordinal; their words lie in `from`. `former` is a buffer.
    pub(in crate::state) fn insert(
        &mut self,
        arena: &mut Arena,
        layout: &Layout,
        (new, from): (&[New], &[u64]),
        former: &mut Vec<u64>,
    ) {
        let directory = usize::from(self.chunks) * ENTRY;
        let entries = usize::from(self.chunks) + missing(&arena.words_from(self.line)[..directory], new);
        let added: usize = new.iter().map(|new| (new.end - new.start) as usize).sum();
        let class = self.class_for(entries * ENTRY + self.words as usize + added);
        let merge = |words: &[u64], to: &mut [u64]| {
            let (directory, parts) = words.split_at(directory);
            let (to_directory, to_parts) = to.split_at_mut(entries * ENTRY);
            let mut merge = Merge { directory, parts, to_directory, to_parts, ..Merge::default() };
            new.chunk_by(in_same_chunk).for_each(|new| merge.put_in(layout, new, from));
            merge.finish();
        };
        if class == self.class {
            former.clear();
            former.extend_from_slice(&arena.words_from(self.line)[..self.end()]);
            merge(former, arena.words_mut(self.line, class));
        } else {
            let line = arena.allocate(class);
            let (words, to) = arena.two(self.line, self.end(), (line, class));
            merge(words, to);
            self.free(arena);
            (self.line, self.class) = (line, class);
        }
        (self.chunks, self.words) = (entries as u16, self.words + added as u32);
    }
}

/// Number of directory entries that parts need besides those that are there.
fn missing(directory: &[u64], new: &[New]) -> usize {
    let (mut from, end) = (0, directory.len() / ENTRY);
    let chunks = new.chunk_by(in_same_chunk).map(|new| new[0].ordinal / PER_CHUNK);
    chunks
        .filter(|chunk| match position(directory, *chunk, from..end) {
            Ok(at) => {
                from = at + 1;
                false
            }
            Err(at) => {
                from = at;
                true
            }
        })
        .count()
}

fn in_same_chunk(a: &New, b: &New) -> bool {
    a.ordinal / PER_CHUNK == b.ordinal / PER_CHUNK
}

/// A piece that is written anew, with parts put in.
#[derive(Debug, Default)]
struct Merge<'m> {
    /// Directory and parts as they were.
    directory: &'m [u64],
    parts: &'m [u64],
    /// Directory and parts as they become.
    to_directory: &'m mut [u64],
    to_parts: &'m mut [u64],
    /// Entries taken over, and entries written.
    entries: (usize, usize),
    /// Words of parts taken over.
    taken: usize,
    /// Words of parts written.
    written: usize,
}

impl Merge<'_> {
    /// Puts in parts of one chunk, whose words lie in `from`.
    fn put_in(&mut self, layout: &Layout, new: &[New], from: &[u64]) {
        let mut own = self.entry_of(new[0].ordinal / PER_CHUNK);
        let before = own;
        own.offset += (self.written - self.taken) as u32;
        for part in new {
            let (_, bit) = split(part.ordinal);
            self.take_to(before.offset as usize + before.before(layout, part.ordinal));
            self.write(&from[part.start as usize..part.end as usize]);
            own.present |= bit;
            own.dirty |= if part.dirty { bit } else { 0 };
        }
        self.write_entry(own);
    }

    /// Takes over the entries up to that of a chunk, and returns that; it is empty if there is none.
    fn entry_of(&mut self, chunk: u32) -> Entry {
        self.take_entries(chunk);
        let (at, end) = (self.entries.0, self.directory.len() / ENTRY);
        let next = (at < end).then(|| entry(self.directory, at));
        if let Some(own) = next.filter(|next| next.chunk == chunk) {
            self.entries.0 += 1;
            return own;
        }
        let offset = next.map_or(self.parts.len() as u32, |next| next.offset);
        Entry { chunk, offset, present: 0, dirty: 0 }
    }

    /// Takes over the entries before that of a chunk.
    fn take_entries(&mut self, chunk: u32) {
        let added = (self.written - self.taken) as u32;
        while self.entries.0 < self.directory.len() / ENTRY
            && entry_chunk(self.directory, self.entries.0) < chunk
        {
            let own = entry(self.directory, self.entries.0);
            self.entries.0 += 1;
            self.write_entry(Entry { offset: own.offset + added, ..own });
        }
    }

    fn write_entry(&mut self, own: Entry) {
        write(self.to_directory, self.entries.1, own);
        self.entries.1 += 1;
    }

    /// Takes over the words of parts up to a position.
    fn take_to(&mut self, end: usize) {
        let words = &self.parts[self.taken..end];
        self.taken = end;
        self.write(words);
    }

    fn write(&mut self, words: &[u64]) {
        let to = &mut self.to_parts[self.written..self.written + words.len()];
        self.written += words.len();
        if words.len() <= FEW {
            to.iter_mut().zip(words).for_each(|(to, word)| *to = *word);
        } else {
            to.copy_from_slice(words);
        }
    }

    /// Takes over all that is left.
    fn finish(mut self) {
        self.take_entries(u32::MAX);
        self.take_to(self.parts.len());
    }
}
