//! Cache of look-ups in bitmaps, for users looked up lately.
//!
//! A look-up in a bitmap searches memory that is in no processor cache. Events of one user recur, so the
//! answers of the bitmaps for a user are cached, all crowds side by side.
//!
//! **Invariant**: answers are those of the crowds that the cache was made of.
//!
//! Users whose guids are texts are looked up each time.
//!
//! Rows are found as in a direct-mapped cache: each user has one row, and a later user of the same row
//! replaces the earlier one. So memory is bounded and no order has to be maintained.

use crate::rule::crowd::{Crowd, Member};

/// Approximate upper bound of the bytes of all rows.
pub(super) const ROOM: usize = 1 << 20;
/// Lower bound of the number of rows, whatever the number of crowds.
const FEWEST_ROWS: usize = 64;

/// Crowds, with a cache of look-ups.
#[derive(Debug, Default)]
pub(super) struct Cache {
    crowds: Vec<Crowd>,
    /// Length of a row in words of 64 bits: the user, then a bit per crowd for whether it was looked up, then
    /// a bit per crowd for whether the user is in it. An unused row is one of user 0 for whom no crowd was
    /// looked up.
    width: usize,
    rows: Vec<u64>,
    /// Number of rows, a power of two.
    pub(super) count: usize,
}

impl Cache {
    /// Makes an empty cache for look-ups in `crowds`; without crowds it takes no memory.
    pub(super) fn new(crowds: Vec<Crowd>) -> Self {
        if crowds.is_empty() {
            return Cache::default();
        }
        let width = 1 + 2 * crowds.len().div_ceil(64);
        let count = previous_power_of_two(ROOM / (8 * width)).max(FEWEST_ROWS);
        Cache { crowds, width, rows: vec![0; count * width], count }
    }

    /// Whether no crowd is looked up.
    pub(super) fn is_empty(&self) -> bool {
        self.crowds.is_empty()
    }

    /// Bytes of all rows.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.rows[..])
    }

    /// Whether a user is in the crowd at that index.
    pub(super) fn contains(&mut self, crowd: usize, member: Member) -> bool {
        let guid = match member {
            Member::Number(guid) => guid,
            Member::Text(_) => return self.crowds[crowd].contains(member),
        };
        let place = place(guid, self.count);
        let row = &mut self.rows[place * self.width..][..self.width];
        if row[0] != guid {
            row.fill(0);
            row[0] = guid;
        }
        let (asked, inside) = row[1..].split_at_mut(self.width / 2);
        let (word, bit) = (crowd / 64, 1 << (crowd % 64));
        if asked[word] & bit == 0 {
            asked[word] |= bit;
            if self.crowds[crowd].contains(member) {
                inside[word] |= bit;
            }
        }
        inside[word] & bit != 0
    }
}

/// Row of a user among `rows`, a power of two. Multiplying by the golden ratio spreads guids that ascend by
/// one or by larger steps (Knuth, The Art of Computer Programming, vol. 3, 6.4).
fn place(guid: u64, rows: usize) -> usize {
    let spread = guid.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread >> 32) as usize & (rows - 1)
}

fn previous_power_of_two(number: usize) -> usize {
    (number + 1).next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_take_the_room_they_may() {
        for (number, wanted) in [(1, 1), (2, 2), (3, 2), (4, 4), (1023, 512), (1024, 1024)] {
            assert_eq!(previous_power_of_two(number), wanted, "{number}");
        }
        for crowds in [2, 63, 200, 3_333] {
            let taken = Cache::new(vec![Crowd::new([1].into_iter().collect()); crowds]).bytes();
            assert!(taken <= ROOM && taken > ROOM / 2, "{crowds} crowds: {taken} bytes");
        }
        assert_eq!(Cache::new(Vec::new()).bytes(), 0);
    }
}
