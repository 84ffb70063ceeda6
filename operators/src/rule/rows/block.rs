//! The rows of 64 users with consecutive guids.
//!
//! **Invariant**: exactly the users of some crowd have a row, in the order of their guids.

use std::{mem::size_of, sync::Arc};

/// Bytes of the counts of references in front of shared rows.
pub(super) const COUNTS: usize = 2 * size_of::<usize>();

/// Rows of a block of users. Clones share them until one is changed.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The users' guids divided by 64.
    pub(super) number: u64,
    /// A bit per user: whether there is a row.
    users: u64,
    rows: Arc<[u64]>,
}

impl Block {
    /// Makes a block without rows.
    pub(super) fn new(number: u64) -> Self {
        Block { number, users: 0, rows: Arc::default() }
    }

    /// Whether no user has a row.
    pub(super) fn is_empty(&self) -> bool {
        self.users == 0
    }

    /// Bytes of the rows.
    pub(super) fn bytes(&self) -> usize {
        COUNTS + size_of_val(&*self.rows)
    }

    /// Row of a user (0 to 63) of `width` words, if there is one.
    pub(super) fn row(&self, user: u64, width: usize) -> Option<&[u64]> {
        if self.users >> user & 1 == 0 {
            return None;
        }
        self.rows.get(self.start(user, width)..)?.get(..width)
    }

    /// Flips bits of one word of all rows; `flips` has a word per user. Users without a row get one, and rows
    /// without bits are dropped.
    pub(super) fn flip(&mut self, word: usize, flips: &[u64; 64], width: usize) {
        let touched = mask(|user| flips[user as usize] != 0);
        if touched == 0 {
            return;
        }
        if touched & !self.users != 0 {
            self.resize(self.users | touched, width);
        }
        let mut emptied = 0;
        let rows = Arc::make_mut(&mut self.rows).chunks_exact_mut(width);
        for (user, row) in ones(self.users).zip(rows) {
            let flips = flips[user as usize];
            row[word] ^= flips;
            if flips != 0 && row.iter().all(|word| *word == 0) {
                emptied |= 1 << user;
            }
        }
        if emptied != 0 {
            self.resize(self.users & !emptied, width);
        }
    }

    /// Changes which users have rows; new ones are empty.
    fn resize(&mut self, users: u64, width: usize) {
        let mut rows = Vec::with_capacity(users.count_ones() as usize * width);
        for user in ones(users) {
            match self.row(user, width) {
                Some(row) => rows.extend_from_slice(row),
                None => rows.resize(rows.len() + width, 0),
            }
        }
        (self.users, self.rows) = (users, rows.into());
    }

    /// Position of a user's row: behind those of the users before.
    fn start(&self, user: u64, width: usize) -> usize {
        (self.users & ((1 << user) - 1)).count_ones() as usize * width
    }
}

/// Bits of the users for whom `is_in` holds.
fn mask(is_in: impl Fn(u64) -> bool) -> u64 {
    (0..64).fold(0, |mask, user| mask | u64::from(is_in(user)) << user)
}

/// Users whose bit is set, ascending.
fn ones(mut mask: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let user = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (user < 64).then(|| u64::from(user))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_are_the_users_of_a_mask() {
        for users in [vec![], vec![0], vec![63], vec![0, 5, 6, 63], (0..64).collect()] {
            assert_eq!(ones(mask(|user| users.contains(&user))).collect::<Vec<_>>(), users);
        }
    }

    #[test]
    fn a_clone_keeps_its_rows_when_the_block_changes() {
        let flips = |user: usize| {
            let mut flips = [0; 64];
            flips[user] = 0b101;
            flips
        };
        let mut block = Block::new(3);
        block.flip(1, &flips(9), 2);
        let former = block.clone();
        assert!(Arc::ptr_eq(&former.rows, &block.rows), "shared until then");
        block.flip(0, &flips(2), 2);
        block.flip(0, &flips(9), 2);
        assert_eq!((former.row(9, 2), former.row(2, 2)), (Some(&[0, 0b101][..]), None));
        assert_eq!((block.row(9, 2), block.row(2, 2)), (Some(&[0b101, 0b101][..]), Some(&[0b101, 0][..])));
        block.flip(1, &flips(9), 2);
        block.flip(0, &flips(9), 2);
        assert_eq!((block.row(9, 2), block.bytes()), (None, COUNTS + 16));
        block.flip(0, &flips(2), 2);
        assert!(block.is_empty());
    }
}
