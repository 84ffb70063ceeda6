//! Positions of the quotes in a record.
//!
//! A bit per byte, found in blocks of 64 bytes by arithmetic on eight bytes at a time.

/// Bytes per block, one bit each.
const BLOCK: usize = 64;

/// Quotes of one record. Reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Quotes {
    /// Bit `i % 64` of block `i / 64` says whether byte `i` is a quote.
    blocks: Vec<u64>,
}

/// What a block contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// A bit per quote.
    quotes: u64,
    /// Whether there is a backslash or a control character.
    odd: bool,
}

impl Quotes {
    /// Finds the quotes of `record`. Returns false if it contains a backslash or a control character; then a
    /// quote may be part of a text, and the quotes found are of no use.
    pub(super) fn find(&mut self, record: &[u8]) -> bool {
        self.blocks.clear();
        let (blocks, rest) = record.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        let mut odd = false;
        for block in blocks.iter().chain([&last]) {
            let block = Block::of(block);
            self.blocks.push(block.quotes);
            odd |= block.odd;
        }
        !odd
    }

    /// Position of the first quote at or after `at`.
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let mut block = at / BLOCK;
        let mut quotes = self.blocks.get(block)? & (u64::MAX << (at % BLOCK));
        while quotes == 0 {
            block += 1;
            quotes = *self.blocks.get(block)?;
        }
        Some(block * BLOCK + quotes.trailing_zeros() as usize)
    }
}

impl Block {
    fn of(bytes: &[u8; BLOCK]) -> Block {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x80 * ONES;
        /// Sets the high bit of every byte that is zero.
        fn zeros(word: u64) -> u64 {
            !(((word & !HIGH) + !HIGH) | word) & HIGH
        }
        let (mut quotes, mut odd) = (0, 0);
        for (i, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let found = zeros(word ^ (ONES * u64::from(b'"')));
            // The multiplication gathers the lowest bits of the bytes in the highest byte.
            let bits = (found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            quotes |= bits << (8 * i);
            let control = !(((word & !HIGH) + ONES * 0x60) | word) & HIGH;
            odd |= control | zeros(word ^ (ONES * u64::from(b'\\')));
        }
        Block { quotes, odd: odd != 0 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes around the limits of what is looked for.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            8 => prop::sample::select(b"ab \"!#[]\x7f\x80\xa2\xdc\xff".to_vec()),
            1 => prop::sample::select(b"\\\0\x1f\n".to_vec()),
            1 => any::<u8>(),
        ]
    }

    proptest! {
        #[test]
        fn a_block_finds_what_a_loop_finds(bytes in prop::collection::vec(byte(), BLOCK)) {
            let bytes: [u8; BLOCK] = bytes.try_into().unwrap();
            let quotes = bytes.iter().enumerate().map(|(i, b)| u64::from(*b == b'"') << i).sum();
            let odd = bytes.iter().any(|b| *b == b'\\' || *b < b' ');
            prop_assert_eq!(Block::of(&bytes), Block { quotes, odd });
        }

        #[test]
        fn the_next_quote_is_found_from_everywhere(text in "[a\"]{0,200}", at in 0..300usize) {
            let mut quotes = Quotes::default();
            prop_assert!(quotes.find(b"\"of another record\""));
            prop_assert!(quotes.find(text.as_bytes()));
            let next = text.get(at..).and_then(|rest| rest.find('"')).map(|found| at + found);
            prop_assert_eq!(quotes.next(at), next);
        }

        #[test]
        fn an_odd_byte_is_seen_anywhere(before in 0..130usize, odd in prop::sample::select(b"\\\n\0\x1f".to_vec())) {
            let mut record = vec![b'a'; before];
            record.push(odd);
            record.extend(b"abc");
            prop_assert!(!Quotes::default().find(&record));
        }
    }
}
