//! Membership: whether a user is in the crowds of rules.
//!
//! An event is checked against the crowd of each rule it matches. The [rows](Rows) of the process answer for
//! all crowds of a user by one look-up; crowds that are not in the rows, because these are not built yet or
//! would be too large, are looked up in their bitmaps, through a [`cache`].
//!
//! **Invariant**: answers are those of the installed crowds, whatever rows are used and whenever: a column
//! counts only if it is tagged with the installed crowd.

mod cache;

use std::{collections::HashMap, sync::Arc};

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
}

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
        self.find_answers();
    }

    /// Uses these rows, of whatever crowds; without rows bitmaps are asked.
    pub(super) fn use_rows(&mut self, rows: Option<Arc<Rows>>) {
        if self.rows.as_ref().map(Arc::as_ptr) != rows.as_ref().map(Arc::as_ptr) {
            self.rows = rows;
            self.find_answers();
        }
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
    }

    /// The crowds of one user; an event without a user is admitted by rules without a crowd.
    pub(super) fn of(&mut self, guid: Option<u64>) -> CrowdsOf<'_> {
        let Membership { answers, rows, cache, .. } = self;
        let row = rows.as_ref().zip(guid).map(|(rows, guid)| rows.row(guid)).unwrap_or_default();
        CrowdsOf { answers, guid, row, cache }
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
}

impl CrowdsOf<'_> {
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
