//! Aside: parts of a key that an occurrence has made and that are not in its piece yet.
//!
//! **Invariants**
//! - A part lies here or in the piece, never both. All are put in together when the key is closed, in one
//!   pass over its piece; those that equal a part for which nothing was folded are dropped instead.
//! - Empty between two occurrences; parts of a snapshot lie behind those of its key, and are put in first.

use super::{
    layout::{Layout, Ordinal},
    memory::Memory,
    piece::{New, Piece},
};

/// Parts beside a piece, with their words. Its memory is used again for every key.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pub(super) parts: Vec<New>,
    pub(super) words: Vec<u64>,
    /// Rule-level states while they are sorted.
    levels: Vec<New>,
    /// Words of a piece while parts are put in.
    former: Vec<u64>,
    /// Words of an absent part, to be read.
    pub(super) spare: Vec<u64>,
    /// Whether anything of the key has changed.
    pub(super) changed: bool,
}

impl Aside {
    /// Position of a part, if it lies here; of those before `first` none is looked at.
    pub(super) fn find(&self, ordinal: Ordinal, first: usize) -> Option<usize> {
        self.parts[first..].iter().position(|part| part.ordinal == ordinal).map(|at| first + at)
    }

    /// Words of the part at a position.
    pub(super) fn part(&self, at: usize) -> &[u64] {
        let New { start, end, .. } = self.parts[at];
        &self.words[start as usize..end as usize]
    }

    /// Words of the part at a position, mutable.
    pub(super) fn part_mut(&mut self, at: usize) -> &mut [u64] {
        let New { start, end, .. } = self.parts[at];
        &mut self.words[start as usize..end as usize]
    }

    /// Words of the part added last, if it is this one.
    #[inline(always)]
    pub(super) fn last(&self, ordinal: Ordinal) -> Option<&[u64]> {
        let last = self.parts.last().filter(|last| last.ordinal == ordinal)?;
        self.words.get(last.start as usize..)
    }

    /// Words of the part added last if it is this one, else of a new one that begins with the words `first`.
    #[inline]
    pub(super) fn last_or_new(&mut self, ordinal: Ordinal, first: &[u64], dirty: bool) -> &mut [u64] {
        let start = match self.parts.last() {
            Some(last) if last.ordinal == ordinal => last.start as usize,
            _ => {
                let start = self.words.len();
                // They are few: a loop is faster than a call that copies them.
                self.words.extend(first.iter().copied());
                self.parts.push(New { ordinal, start: start as u32, end: self.words.len() as u32, dirty });
                start
            }
        };
        &mut self.words[start..]
    }

    /// Takes back the part added last, whose words name no objects, if they are `first`.
    pub(super) fn take_back(&mut self, first: &[u64]) {
        if let Some(New { start, .. }) = self.parts.last()
            && self.words[*start as usize..].iter().eq(first)
        {
            self.words.truncate(*start as usize);
            self.parts.pop();
        }
    }

    /// Adds a part; returns its position.
    pub(super) fn push(&mut self, ordinal: Ordinal, words: &[u64], dirty: bool) -> usize {
        let start = self.words.len() as u32;
        self.words.extend_from_slice(words);
        self.parts.push(New { ordinal, start, end: self.words.len() as u32, dirty });
        self.parts.len() - 1
    }
}

/// Puts the parts aside from `first` on into a piece; those that equal first values are dropped.
pub(super) fn put_in(
    piece: &mut Piece,
    memory: &mut Memory,
    layout: &Layout,
    aside: &mut Aside,
    first: usize,
) {
    if aside.parts.len() == first {
        return;
    }
    let Aside { parts, words, levels, former, .. } = aside;
    let mut kept = first;
    for at in first..parts.len() {
        let part = parts[at];
        let own = &words[part.start as usize..part.end as usize];
        match layout.shape(part.ordinal) {
            None => levels.push(part),
            Some(shape) if shape.is_initial(own, &memory.objects) => shape.free(own, &mut memory.objects),
            Some(_) => {
                memory.conditions += 1;
                parts[kept] = part;
                kept += 1;
            }
        }
    }
    parts.truncate(kept);
    parts.append(levels);
    let new = &mut parts[first..];
    if !new.is_empty() {
        // Conditions ascend for the most part, rule-level states among themselves, and most of them are behind.
        new.sort_by_key(|part| part.ordinal);
        piece.insert(&mut memory.arena, layout, (new, words), former);
    }
    // All words behind belong to the parts that are gone now.
    let start = if first == 0 { 0 } else { parts[first - 1].end as usize };
    parts.truncate(first);
    words.truncate(start);
}
