//! Membership: whether a user is in the crowds of rules.
//!
//! An event is checked against the crowd of each rule it matches. The [rows](Rows) of the process answer for
//! all crowds of a user by one look-up; crowds that are not in the rows, because these are not built yet or
//! would be too large, are looked up in their bitmaps, through a [`cache`].
//!
//! Once all crowds are in the rows, each candidate of the book has a column: the bit of its rule in a row
//! that is extended by the answers for rules without a crowd. So candidates are kept or dropped without a
//! branch.
//!
//! **Invariants**
//! - Answers are those of the installed crowds, whatever rows are used and whenever: a column counts only if
//!   it is tagged with the installed crowd.
//! - There are columns for all candidates or for none.

mod cache;

use std::{collections::HashMap, ops::Range, sync::Arc};

use self::cache::Cache;
use crate::rule::{book::RuleBook, crowd::Crowd, rows::Rows};

/// Users whose events may set a rule off.
#[derive(Debug)]
enum Admitted {
    Everyone,
    Nobody,
    /// Members of the crowd of the rule in that slot.
    Members(u32, Crowd),
}

/// Where the answer for a rule is found.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Always(bool),
    /// In that column of the rows.
    Column(usize),
    /// In the crowd of that index in the cache.
    Crowd(usize),
}

/// The crowds of a book's rules, with rows and a cache of look-ups.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Admitted users, by position of the rule.
    admitted: Vec<Admitted>,
    /// Where to look, by position of the rule.
    answers: Vec<Answer>,
    rows: Option<Arc<Rows>>,
    cache: Cache,
    /// Position of the rule, by candidate.
    rules: Vec<u32>,
    /// Column in the extended row, by candidate; empty while crowds are looked up otherwise.
    columns: Vec<u32>,
    /// Row of the user asked for last, and behind it the bits [`EVERYONE`] and [`NOBODY`].
    row: Vec<u64>,
}

/// Bits of the word behind a row.
const EVERYONE: usize = 0;
const NOBODY: usize = 1;

impl Membership {
    /// Switches to the rules of `book`. `crowds` are by slot; a rule whose crowd is missing there admits
    /// nobody.
    pub(super) fn install(&mut self, book: &RuleBook, mut crowds: HashMap<u32, Crowd>) {
        let plans = book.rules.iter().zip(&book.has_crowd);
        self.admitted = plans
            .map(|(plan, has_crowd)| match has_crowd.then(|| crowds.remove(&plan.slot)) {
                None => Admitted::Everyone,
                Some(None) => Admitted::Nobody,
                Some(Some(crowd)) => Admitted::Members(plan.slot, crowd),
            })
            .collect();
        let candidates = book.candidates.targets().iter();
        self.rules = candidates.map(|target| book.targets[*target as usize].rule() as u32).collect();
        self.find_answers();
    }

    /// Uses these rows, of whatever crowds; without rows bitmaps are asked.
    pub(super) fn use_rows(&mut self, rows: Option<Arc<Rows>>) {
        if self.rows.as_ref().map(Arc::as_ptr) != rows.as_ref().map(Arc::as_ptr) {
            self.rows = rows;
            self.find_answers();
        }
    }

    /// Whether the rows lack some crowd, so that its bitmap is asked.
    pub(super) fn asks_bitmaps(&self) -> bool {
        !self.cache.is_empty()
    }

    fn find_answers(&mut self) {
        let mut looked_up = Vec::new();
        let answers = self.admitted.iter().map(|admitted| match admitted {
            Admitted::Everyone => Answer::Always(true),
            Admitted::Nobody => Answer::Always(false),
            Admitted::Members(slot, crowd) => {
                let column = self.rows.as_ref().and_then(|rows| rows.column(*slot, crowd));
                column.map_or_else(
                    || {
                        looked_up.push(crowd.clone());
                        Answer::Crowd(looked_up.len() - 1)
                    },
                    Answer::Column,
                )
            }
        });
        self.answers = answers.collect();
        self.cache = Cache::new(looked_up);
        self.find_columns();
    }

    fn find_columns(&mut self) {
        let behind = 64 * self.width();
        let column = |rule: &u32| match self.answers[*rule as usize] {
            Answer::Always(true) => Some((behind + EVERYONE) as u32),
            Answer::Always(false) => Some((behind + NOBODY) as u32),
            Answer::Column(column) => Some(column as u32),
            Answer::Crowd(_) => None,
        };
        self.columns = self.rules.iter().map(column).collect::<Option<_>>().unwrap_or_default();
    }

    /// Length of a row in words, as the rows have it.
    fn width(&self) -> usize {
        self.rows.as_ref().map_or(0, |rows| rows.width())
    }

    /// Fetches the row of a user ahead of its use. Has no effect but on time.
    #[inline]
    pub(super) fn prefetch(&self, guid: Option<u64>) {
        if let Some((rows, guid)) = self.rows.as_ref().zip(guid) {
            rows.prefetch(guid);
        }
    }

    /// The crowds of one user; an event without a user is admitted by rules without a crowd.
    pub(super) fn of(&mut self, guid: Option<u64>) -> CrowdsOf<'_> {
        let width = self.width();
        let Membership { answers, rows, cache, rules, columns, row, .. } = self;
        row.clear();
        row.extend_from_slice(rows.as_ref().zip(guid).map(|(rows, guid)| rows.row(guid)).unwrap_or_default());
        row.resize(width, 0);
        row.push(1 << EVERYONE);
        CrowdsOf { answers, guid, row, cache, rules, columns }
    }

    /// Number of crowds that are looked up in their bitmaps.
    #[cfg(test)]
    fn looked_up(&self) -> usize {
        self.answers.iter().filter(|answer| matches!(answer, Answer::Crowd(_))).count()
    }
}

/// The crowds of one user.
pub(super) struct CrowdsOf<'m> {
    answers: &'m [Answer],
    guid: Option<u64>,
    row: &'m [u64],
    cache: &'m mut Cache,
    rules: &'m [u32],
    columns: &'m [u32],
}

impl CrowdsOf<'_> {
    /// Appends to `kept` the targets at `range` of the candidates whose rules admit the user.
    pub(super) fn keep(&mut self, candidates: &[u32], range: Range<usize>, kept: &mut Vec<u32>) {
        let targets = &candidates[range.clone()];
        let Some(columns) = self.columns.get(range.clone()) else {
            for (target, candidate) in targets.iter().zip(range) {
                if self.admit(self.rules[candidate] as usize) {
                    kept.push(*target);
                }
            }
            return;
        };
        // Each target is written behind those kept, and overwritten by the next unless it is kept itself.
        let mut end = kept.len();
        kept.resize(end + targets.len(), 0);
        for (target, column) in targets.iter().zip(columns) {
            kept[end] = *target;
            end += (self.row[*column as usize / 64] >> (column % 64) & 1) as usize;
        }
        kept.truncate(end);
    }

    /// Whether the rule at that position admits the user.
    pub(super) fn admit(&mut self, rule: usize) -> bool {
        match self.answers[rule] {
            Answer::Always(admits) => admits,
            Answer::Column(column) => Rows::has(self.row, column),
            Answer::Crowd(crowd) => self.guid.is_some_and(|guid| self.cache.contains(crowd, guid)),
        }
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
