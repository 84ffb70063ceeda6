//! Membership: whether a user is in the crowds of rules.
//!
//! An event is checked against the crowd of each rule it matches. The [rows](Rows) of the process answer for
//! all crowds of a user by one look-up; crowds that are not in the rows, because these are not built yet or
//! would be too large, are looked up in their bitmaps, through a [`cache`].
//!
//! Once all crowds are in the rows, [`admission`] keeps candidates by whole words of a row.
//!
//! **Invariant**: answers are those of the installed crowds, whatever rows are used and whenever: a column
//! counts only if it is tagged with the installed crowd.

mod admission;
mod cache;

use std::{collections::HashMap, sync::Arc};

use self::{admission::Admission, cache::Cache};
use crate::{
    model::guid::Guid,
    rule::{
        book::RuleBook,
        crowd::{Crowd, Member},
        rows::Rows,
    },
};

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
    /// Whether some rule has a crowd.
    has_crowds: bool,
    rows: Option<Arc<Rows>>,
    cache: Cache,
    /// The candidates by their columns; `None` while some crowd is looked up otherwise.
    admission: Option<Admission>,
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
        self.has_crowds = self.admitted.iter().any(|admitted| matches!(admitted, Admitted::Members(..)));
        self.find_answers(book);
    }

    /// Uses these rows, of whatever crowds; without rows bitmaps are asked. `book` is the one installed.
    pub(super) fn use_rows(&mut self, book: &RuleBook, rows: Option<Arc<Rows>>) {
        if self.rows.as_ref().map(Arc::as_ptr) != rows.as_ref().map(Arc::as_ptr) {
            self.rows = rows;
            self.find_answers(book);
        }
    }

    /// The user of an event as crowds look for one; `None` if there are no crowds to look in.
    #[inline]
    pub(super) fn member(&self, guid: Option<Guid<'_>>) -> Option<Member> {
        if self.has_crowds { guid.map(Member::from) } else { None }
    }

    /// The rows in use.
    pub(super) fn rows(&self) -> Option<Arc<Rows>> {
        self.rows.clone()
    }

    /// Whether the rows lack some crowd, so that its bitmap is asked.
    pub(super) fn asks_bitmaps(&self) -> bool {
        !self.cache.is_empty()
    }

    fn find_answers(&mut self, book: &RuleBook) {
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
        self.admission = Admission::new(book, &self.answers);
    }

    /// Appends to `kept` the targets of the list of candidates at a position in `book`, the one installed,
    /// whose rules admit the user, in any order. An event without a user is admitted by rules without a crowd.
    #[inline(always)]
    pub(super) fn keep(&mut self, book: &RuleBook, list: usize, user: User<'_>, kept: &mut Vec<u32>) {
        if let Some(admission) = &self.admission {
            return admission.keep(list, user.row, kept);
        }
        let targets = book.candidates.lists()[list].range();
        for target in &book.candidates.targets()[targets] {
            if self.admit(book.targets[*target as usize].rule(), user) {
                kept.push(*target);
            }
        }
    }

    /// Whether the rule at that position admits the user.
    fn admit(&mut self, rule: usize, User { member, row }: User<'_>) -> bool {
        match self.answers[rule] {
            Answer::Always(admits) => admits,
            Answer::Column(column) => Rows::has(row, column),
            Answer::Crowd(crowd) => member.is_some_and(|member| self.cache.contains(crowd, member)),
        }
    }

    /// Number of crowds that are looked up in their bitmaps.
    #[cfg(test)]
    fn looked_up(&self) -> usize {
        self.answers.iter().filter(|answer| matches!(answer, Answer::Crowd(_))).count()
    }
}

/// User of an event, with the row of the [rows in use](Membership::rows), which is empty without a user.
#[derive(Clone, Copy, Debug)]
pub(super) struct User<'r> {
    pub(super) member: Option<Member>,
    pub(super) row: &'r [u64],
}

impl<'r> User<'r> {
    /// A user.
    #[inline]
    pub(super) fn new(member: Option<Member>, rows: Option<&'r Arc<Rows>>) -> Self {
        User { member, row: rows.zip(member).map(|(rows, member)| rows.row(member)).unwrap_or_default() }
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
