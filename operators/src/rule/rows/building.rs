//! Building of rows: the difference between the crowds that rows have and those that they are to have,
//! transposed block by block.
//!
//! Rows change by the bits that differ. So new rows are those of no crowds with every member flipped, and a
//! crowd that gains a user touches the one block of that user.

use std::{borrow::Cow, collections::BTreeMap};

use hashbrown::hash_table::Entry;
use roaring::RoaringTreemap;

use super::{Block, Column, Rows, RowsError, area::Area, excess, hash, transpose::transpose};
use crate::rule::crowd::{Crowd, differing};

/// Another crowd in a column.
struct Transition<'c> {
    position: usize,
    before: Option<&'c Crowd>,
    after: Option<&'c Crowd>,
}

impl<'c> Transition<'c> {
    /// Users who are in one of the two crowds.
    fn difference(&self) -> Cow<'c, RoaringTreemap> {
        let numbers = |crowd: &'c Crowd| &crowd.members().numbers;
        match (self.before, self.after) {
            (Some(before), Some(after)) => Cow::Owned(numbers(before) ^ numbers(after)),
            (Some(crowd), None) | (None, Some(crowd)) => Cow::Borrowed(numbers(crowd)),
            (None, None) => Cow::default(),
        }
    }

    /// Hashes of users who are in one of the two crowds.
    fn texts(&self) -> impl Iterator<Item = u128> + 'c {
        let texts = |crowd: Option<&'c Crowd>| crowd.map_or(&[][..], |crowd| crowd.members().texts());
        differing(texts(self.before), texts(self.after))
    }
}

impl Rows {
    /// Makes the rows of `crowds`, by rule slot; blocks in which no bit differs are shared with these rows.
    /// Rows are made anew if they become wider, or less than half as wide.
    ///
    /// # Errors
    /// If they would take more than their [bound](Self::bound), in which `most` is in bytes.
    pub fn changed(&self, crowds: &BTreeMap<u32, Crowd>, most: usize) -> Result<Rows, RowsError> {
        let bound = Rows::bound(crowds.values(), most);
        let width = crowds.len().div_ceil(64);
        if excess::is_certain(crowds, width, bound) {
            return Err(RowsError::TooLarge { bound });
        }
        let fits = width <= self.width && self.width <= 2 * width;
        let mut rows = if fits { self.clone() } else { Rows { width, ..Rows::default() } };
        let former = std::mem::take(&mut rows.columns);
        let columns = columns(&former, crowds, rows.space());
        let mut transitions = transitions(&former, &columns);
        transitions.sort_unstable_by_key(|transition| transition.position);
        // While users come and go, the rows are no larger than those before and after together; their tables, which
        // may double for a single row, count at the end.
        let meanwhile = rows.block_bytes.saturating_add(bound);
        for of_word in transitions.chunk_by(|a, b| a.position / 64 == b.position / 64) {
            if !rows.apply(of_word, meanwhile) {
                return Err(RowsError::TooLarge { bound });
            }
        }
        let meanwhile = rows.texts.row_bytes(rows.width).saturating_add(bound);
        for transition in transitions {
            transition.texts().for_each(|user| rows.texts.flip(user, transition.position, rows.width));
            if rows.texts.row_bytes(rows.width) > meanwhile {
                return Err(RowsError::TooLarge { bound });
            }
        }
        rows.columns = columns;
        if rows.blocks.len() < rows.blocks.capacity() / 4 {
            rows.blocks.shrink_to_fit(|block| hash(block.number));
        }
        rows.texts.shrink();
        if rows.bytes() > bound { Err(RowsError::TooLarge { bound }) } else { Ok(rows) }
    }

    /// Applies transitions of columns that lie in one word of the rows, while the rows take at most `most`
    /// bytes; returns whether all are applied.
    fn apply(&mut self, transitions: &[Transition<'_>], most: usize) -> bool {
        let Some(word) = transitions.first().map(|transition| transition.position / 64) else { return true };
        let differences: Vec<_> = transitions.iter().map(|t| (t.position % 64, t.difference())).collect();
        let mut columns: Vec<_> = differences.iter().map(|(bit, users)| (*bit, users.iter())).collect();
        let mut next: Vec<_> = columns.iter_mut().map(|(_, users)| users.next()).collect();
        let mut area = Area::default();
        while let Some(first) = next.iter().flatten().copied().min() {
            area.begin(first);
            for ((bit, users), next) in columns.iter_mut().zip(&mut next) {
                while let Some(user) = next.filter(|user| area.contains(*user)) {
                    area.add(user, *bit);
                    *next = users.next();
                }
            }
            area.drain(|number, bits| {
                transpose(bits);
                self.flip(number, word, bits);
            });
            if self.block_bytes > most {
                return false;
            }
        }
        true
    }

    /// Flips bits of one word of the rows of a block; `flips` has a word per user.
    fn flip(&mut self, number: u64, word: usize, flips: &[u64; 64]) {
        let Rows { width, blocks, block_bytes, .. } = self;
        let entry = blocks.entry(hash(number), |block| block.number == number, |block| hash(block.number));
        let mut entry = match entry {
            Entry::Occupied(entry) => {
                *block_bytes -= entry.get().bytes();
                entry
            }
            Entry::Vacant(entry) => entry.insert(Block::new(number)),
        };
        entry.get_mut().flip(word, flips, *width);
        if entry.get().is_empty() {
            entry.remove();
        } else {
            *block_bytes += entry.get().bytes();
        }
    }
}

/// Columns of crowds by rule slot: a rule keeps its column, new ones take those that are free.
fn columns(
    former: &BTreeMap<u32, Column>,
    crowds: &BTreeMap<u32, Crowd>,
    space: usize,
) -> BTreeMap<u32, Column> {
    let mut free = vec![true; space];
    let kept = former.iter().filter(|(slot, _)| crowds.contains_key(slot));
    kept.for_each(|(_, column)| free[column.position] = false);
    let mut unused = (0..space).filter(|position| free[*position]);
    let column = |(slot, crowd): (&u32, &Crowd)| {
        let position = former.get(slot).map(|column| column.position).or_else(|| unused.next())?;
        Some((*slot, Column { position, crowd: crowd.clone() }))
    };
    crowds.iter().filter_map(column).collect()
}

/// Differences between columns before and after a change, by rule slot.
fn transitions<'c>(
    before: &'c BTreeMap<u32, Column>,
    after: &'c BTreeMap<u32, Column>,
) -> Vec<Transition<'c>> {
    let gone = before.iter().filter(|(slot, _)| !after.contains_key(slot));
    let gone = gone.map(|(_, c)| Transition { position: c.position, before: Some(&c.crowd), after: None });
    let there = after.iter().map(|(slot, c)| Transition {
        position: c.position,
        before: before.get(slot).map(|c| &c.crowd),
        after: Some(&c.crowd),
    });
    gone.chain(there).filter(|t| t.before != t.after).collect()
}
