//! Rows of crowds: for each user a row of bits, one bit per crowd; the crowds' bitmaps, transposed.
//!
//! A bitmap answers who is in a crowd. An event asks the opposite: in which of many crowds is its user? With
//! bitmaps that is a search in each of them, in memory that is in no processor cache; a row is one look-up.
//!
//! Users are grouped in blocks of 64 consecutive guids, but for those whose guids are texts. A block has rows only for
//! those of its users who are in some crowd. A column is a rule's: its bits are the members of the rule's crowd.
//!
//! **Invariants**
//! - A bit is set exactly if the bitmap of its column's crowd contains the user, whatever sequence of changes
//!   the rows came from.
//! - A column is tagged with the rule's slot and the crowd, and found only by both ([`Rows::column`]). So
//!   rows that are late, or ahead of the epoch of a reader, never give a wrong answer: they lack the column.
//! - Rows do not change once they are made. A [changed](Rows::changed) version shares every block in which no
//!   bit differs with the version before.
//! - [`Rows::bytes`] is exact, and not above the bound that the rows were made under.
//!
//! - `area`: members of 64 crowds, sorted by block
//! - `block`: the rows of 64 users
//! - `building`: from crowds to rows
//! - `excess`: rows that are certain to take too much memory, before they are built
//! - `texts`: rows of users whose guids are texts
//! - `transpose`: 64 columns by 64 users

mod area;
mod block;
mod building;
mod excess;
mod texts;
mod transpose;

use std::collections::BTreeMap;

use hashbrown::HashTable;

use self::{block::Block, texts::TextRows};
use super::crowd::{Crowd, Member};

/// Bytes that rows may take in any case, however small the bitmaps are.
const ALWAYS: usize = 1 << 20;

/// Rows may take this many times the bytes of the bitmaps.
const TIMES: usize = 4;

/// Rows of the crowds of rules. Immutable; shared by the workers of a process.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use strateye_operators::rule::{crowd::{Crowd, Member}, rows::Rows};
///
/// let crowd = Crowd::new([1001, 1003].into_iter().collect());
/// let slot = 7;
/// let rows = Rows::default().changed(&BTreeMap::from([(slot, crowd.clone())]), 256 << 20)?;
/// let column = rows.column(slot, &crowd).unwrap();
/// let has = |guid| Rows::has(rows.row(Member::Number(guid)), column);
/// assert!(has(1003) && !has(1002));
/// # Ok::<(), strateye_operators::rule::rows::RowsError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Columns by rule slot.
    columns: BTreeMap<u32, Column>,
    /// Length of a row in words of 64 bits.
    width: usize,
    blocks: HashTable<Block>,
    /// Bytes of the rows of all blocks.
    block_bytes: usize,
    texts: TextRows,
}

/// A column and the crowd whose members it has.
#[derive(Clone, Debug)]
struct Column {
    position: usize,
    crowd: Crowd,
}

/// The reason why there are no rows for crowds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The rows would take too much memory.
    #[error("a row of bits for each user would take more than {bound} bytes")]
    TooLarge {
        /// Upper bound of their bytes.
        bound: usize,
    },
}

impl Rows {
    /// Upper bound of the bytes of rows for crowds: `most`, and four times their bitmaps or 1 MiB.
    pub fn bound<'c>(crowds: impl IntoIterator<Item = &'c Crowd>, most: usize) -> usize {
        let bitmaps: usize = crowds.into_iter().map(Crowd::bytes).sum();
        most.min(bitmaps.saturating_mul(TIMES).max(ALWAYS))
    }

    /// Column of the rule in `slot`, if its bits are the members of `crowd`.
    pub fn column(&self, slot: u32, crowd: &Crowd) -> Option<usize> {
        self.columns.get(&slot).filter(|column| column.crowd == *crowd).map(|column| column.position)
    }

    /// Length of a row in words of 64 bits.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row of a user; empty for a user who is in no crowd. One look-up in a hash table.
    pub fn row(&self, member: Member) -> &[u64] {
        let guid = match member {
            Member::Number(guid) => guid,
            Member::Text(hash) => return self.texts.row(hash),
        };
        let (number, user) = (guid / 64, guid % 64);
        let block = self.blocks.find(hash(number), |block| block.number == number);
        block.and_then(|block| block.row(user, self.width)).unwrap_or_default()
    }

    /// Whether a row has the bit of a column.
    pub fn has(row: &[u64], column: usize) -> bool {
        row.get(column / 64).is_some_and(|word| word >> (column % 64) & 1 == 1)
    }

    /// Bytes of all rows and of the table in which they are found; blocks shared with other versions count in
    /// each. Without the crowds' bitmaps.
    pub fn bytes(&self) -> usize {
        self.block_bytes + self.blocks.allocation_size() + self.texts.bytes(self.width)
    }

    /// Number of columns that the rows have space for.
    fn space(&self) -> usize {
        64 * self.width
    }
}

/// Hash of a block's number. Multiplying by the golden ratio spreads numbers that ascend by one or by larger
/// steps into the upper bits (Knuth, The Art of Computer Programming, vol. 3, 6.4); the table places by the
/// lower ones.
fn hash(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
