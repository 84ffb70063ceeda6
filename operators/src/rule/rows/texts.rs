//! Rows of users whose guids are texts, found by their hashes.
//!
//! **Invariant**: exactly the users of some crowd have a row.

use std::sync::Arc;

use hashbrown::{HashTable, hash_table::Entry};

use super::block::COUNTS;

/// Rows by the hashes of users. Clones share rows until one is changed.
#[derive(Clone, Debug, Default)]
pub(super) struct TextRows(HashTable<TextRow>);

#[derive(Clone, Debug)]
struct TextRow {
    hash: u128,
    row: Arc<[u64]>,
}

impl TextRows {
    /// Row of a user; empty for a user who is in no crowd.
    pub(super) fn row(&self, user: u128) -> &[u64] {
        self.0.find(place(user), |row| row.hash == user).map(|row| &*row.row).unwrap_or_default()
    }

    /// Flips a user's bit of a column, in rows of `width` words.
    pub(super) fn flip(&mut self, user: u128, column: usize, width: usize) {
        let entry = self.0.entry(place(user), |row| row.hash == user, |row| place(row.hash));
        let new = || TextRow { hash: user, row: std::iter::repeat_n(0, width).collect() };
        let mut entry = match entry {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert(new()),
        };
        let row = Arc::make_mut(&mut entry.get_mut().row);
        row[column / 64] ^= 1 << (column % 64);
        if row.iter().all(|word| *word == 0) {
            entry.remove();
        }
    }

    /// Gives back memory if few of the places are taken.
    pub(super) fn shrink(&mut self) {
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit(|row| place(row.hash));
        }
    }

    /// Bytes of all rows of `width` words, and of their table.
    pub(super) fn bytes(&self, width: usize) -> usize {
        self.row_bytes(width) + self.table_bytes()
    }

    /// Bytes of all rows of `width` words.
    pub(super) fn row_bytes(&self, width: usize) -> usize {
        self.0.len() * (COUNTS + 8 * width)
    }

    /// Bytes of the table.
    pub(super) fn table_bytes(&self) -> usize {
        self.0.allocation_size()
    }
}

/// Hash of a user's hash, which is uniform already.
fn place(user: u128) -> u64 {
    user as u64
}
