//! Admission by rows: which candidates of a list a user's row admits, a word of the row at a time.
//!
//! Few users are in most crowds, so what costs is to pass over rules that do not admit the user. Here a word
//! of the row is ANDed with the columns of a list's rules, and only bits that are left are looked at.
//!
//! **Invariants**
//! - A candidate whose rule has a column is in exactly one word of its list, at the rank of the column's bit;
//!   one whose rule admits everyone is among the list's free ones, one whose rule admits nobody nowhere.
//! - A word has one candidate per bit. Candidates of one list and one column are in several words.

use std::ops::Range;

use super::Answer;
use crate::rule::book::RuleBook;

/// Candidates of a book by the columns of their rules.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// By the position of a list in the book.
    lists: Vec<Admitted>,
    words: Vec<Word>,
    /// Targets: of each list the free ones, then those of each word in the order of its bits.
    targets: Vec<u32>,
}

/// Candidates of a list.
#[derive(Clone, Debug)]
struct Admitted {
    /// Targets of rules that admit everyone.
    free: Range<u32>,
    /// Words with the columns of the others.
    words: Range<u32>,
}

/// Columns of a list in one word of a row.
#[derive(Clone, Copy, Debug)]
struct Word {
    columns: u64,
    /// Position of the word in a row.
    at: u32,
    /// Position of the target of the first column.
    first: u32,
}

impl Admission {
    /// Sorts the candidates of `book` by the `answers` of their rules; `None` if one is not in the rows.
    pub(super) fn new(book: &RuleBook, answers: &[Answer]) -> Option<Admission> {
        if answers.iter().any(|answer| matches!(answer, Answer::Crowd(_))) {
            return None;
        }
        let mut admission = Admission::default();
        for list in book.candidates.lists() {
            let (mut columns, first) = (Vec::new(), admission.targets.len() as u32);
            for target in &book.candidates.targets()[list.range()] {
                match answers[book.targets[*target as usize].rule()] {
                    Answer::Always(true) => admission.targets.push(*target),
                    Answer::Column(column) => columns.push((column, *target)),
                    Answer::Always(false) | Answer::Crowd(_) => {}
                }
            }
            let (free, words) = (first..admission.targets.len() as u32, admission.words.len() as u32);
            admission.add_words(columns);
            admission.lists.push(Admitted { free, words: words..admission.words.len() as u32 });
        }
        Some(admission)
    }

    /// Adds the words of a list whose targets have these columns.
    fn add_words(&mut self, mut columns: Vec<(usize, u32)>) {
        columns.sort_unstable();
        while !columns.is_empty() {
            // The first target of each column; further words have the others.
            let (mut others, mut chosen): (Vec<_>, Vec<(usize, u32)>) = (Vec::new(), Vec::new());
            for (column, target) in columns {
                let again = chosen.last().is_some_and(|(last, _)| *last == column);
                if again { others.push((column, target)) } else { chosen.push((column, target)) }
            }
            for word in chosen.chunk_by(|(a, _), (b, _)| a / 64 == b / 64) {
                let columns = word.iter().fold(0, |columns, (column, _)| columns | 1 << (column % 64));
                let (at, first) = ((word[0].0 / 64) as u32, self.targets.len() as u32);
                self.words.push(Word { columns, at, first });
                self.targets.extend(word.iter().map(|(_, target)| *target));
            }
            columns = others;
        }
    }

    /// Appends to `kept` the targets of the list at a position whose rules admit the user with this row, in
    /// any order. What is missing of the row counts as zero.
    #[inline(always)]
    pub(super) fn keep(&self, list: usize, row: &[u64], kept: &mut Vec<u32>) {
        let Admitted { free, words } = &self.lists[list];
        kept.extend_from_slice(&self.targets[free.start as usize..free.end as usize]);
        for word in &self.words[words.start as usize..words.end as usize] {
            let mut bits = row.get(word.at as usize).map_or(0, |row| row & word.columns);
            while bits != 0 {
                let before = word.columns & (bits & bits.wrapping_neg()).wrapping_sub(1);
                kept.push(self.targets[(word.first + before.count_ones()) as usize]);
                bits &= bits - 1;
            }
        }
    }
}
