//! Arena: memory of all keys' pieces, in size classes of lines.
//!
//! **Invariants**
//! - A piece lies in whole lines, as many as its class has; the pieces in use and the free ones are disjoint.
//! - A class is at most a fifth larger than the one before (or by one line), so at most that much of a piece
//!   is unused, and a piece that grows word by word is moved rarely.

use super::segments::Segments;
use crate::processor::prefetch;

/// Words of a line: 32 bytes, so that the smallest piece holds a directory entry and a count.
pub(super) const LINE: usize = 4;

/// Words of a line of a processor's cache.
const PER_CACHE_LINE: usize = 8;

/// Number of classes; the largest has 400 million lines.
const CLASSES: usize = 96;

/// Lines of each class. Class 0 is that of pieces without memory.
const LINES: [u32; CLASSES] = lines();

const fn lines() -> [u32; CLASSES] {
    let mut lines = [0; CLASSES];
    let mut class = 1;
    while class < CLASSES {
        let before = lines[class - 1];
        lines[class] = if before < 8 { before + 1 } else { before + before / 5 };
        class += 1;
    }
    lines
}

/// Smallest class that holds this many words.
pub(super) fn class_of(words: usize) -> u8 {
    let needed = words.div_ceil(LINE);
    // The largest class holds more than a process has memory.
    LINES.partition_point(|lines| (*lines as usize) < needed).min(CLASSES - 1) as u8
}

/// Words that a piece of this class holds.
pub(super) fn words_of(class: u8) -> usize {
    LINES[usize::from(class) % CLASSES] as usize * LINE
}

/// Memory of pieces.
#[derive(Debug, Default)]
pub(super) struct Arena {
    words: Segments<u64>,
    /// First lines of free pieces, by class.
    free: Vec<Vec<u32>>,
    /// Words of pieces in use.
    used: usize,
}

impl Arena {
    /// Allocates a piece of a class; returns its first line. Its words have any content.
    ///
    /// Class 0 needs no memory and is not to be allocated.
    pub(super) fn allocate(&mut self, class: u8) -> u32 {
        self.used += words_of(class);
        if let Some(line) = self.free.get_mut(usize::from(class)).and_then(Vec::pop) {
            return line;
        }
        (self.words.add(words_of(class), || 0) / LINE) as u32
    }

    /// Frees a piece.
    pub(super) fn free(&mut self, line: u32, class: u8) {
        self.used -= words_of(class);
        self.free.resize_with(CLASSES, Vec::new);
        self.free[usize::from(class)].push(line);
    }

    /// Words of a piece.
    pub(super) fn words(&self, line: u32, class: u8) -> &[u64] {
        &self.words_from(line)[..words_of(class)]
    }

    /// Words of a piece, mutable.
    pub(super) fn words_mut(&mut self, line: u32, class: u8) -> &mut [u64] {
        &mut self.words_from_mut(line)[..words_of(class)]
    }

    /// Words of a piece and of all behind it: for who knows the piece's length.
    #[inline(always)]
    pub(super) fn words_from(&self, line: u32) -> &[u64] {
        self.words.tail(line as usize * LINE)
    }

    /// [Words](Self::words_from), mutable.
    #[inline(always)]
    pub(super) fn words_from_mut(&mut self, line: u32) -> &mut [u64] {
        self.words.tail_mut(line as usize * LINE)
    }

    /// The first `words` of a piece, and those of another one of a class, mutable.
    pub(super) fn two(&mut self, from: u32, words: usize, (to, class): (u32, u8)) -> (&[u64], &mut [u64]) {
        self.words.two((from as usize * LINE, words), (to as usize * LINE, words_of(class)))
    }

    /// Fetches the first words of a piece ahead of their use.
    #[inline]
    pub(super) fn prefetch(&self, line: u32, words: usize) {
        let words = self.words_from(line).get(..words).unwrap_or_default();
        words.chunks(PER_CACHE_LINE).for_each(|line| prefetch(&line[0]));
        words.last().into_iter().for_each(prefetch);
    }

    /// Bytes of pieces in use.
    pub(super) fn bytes(&self) -> usize {
        self.used * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_grow_by_a_fifth_at_most() {
        let sizes: Vec<u32> = LINES[1..].to_vec();
        assert_eq!(sizes[..10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(sizes.windows(2).all(|w| w[1] > w[0] && (w[1] == w[0] + 1 || w[1] - w[0] <= w[0] / 5)));
        assert_eq!([0, 1, 4, 5, 32, 33].map(class_of), [0, 1, 1, 2, 8, 9]);
        assert!((0..9_999).all(|words| words_of(class_of(words)) >= words));
    }

    #[test]
    fn a_free_piece_is_used_again_by_its_class_alone() {
        let mut arena = Arena::default();
        let (a, b) = (arena.allocate(2), arena.allocate(2));
        assert_eq!((a, b, arena.bytes()), (0, 2, 4 * LINE * 8));
        arena.free(a, 2);
        assert_eq!((arena.allocate(3), arena.allocate(2)), (4, a));
    }
}
