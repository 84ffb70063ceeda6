//! Comparison of the rules passed on with the rows of the table, every minute.
//!
//! A change that was kept out of the binlog (`sql_log_bin = 0`, a replica's filter) is found by it. The rows are
//! listed in the background, by one consistent read. They are compared once the binlog has been read up to a
//! position behind that read; rules that the binlog changed meanwhile are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use super::{
    connect::{ANSWER, Database, Failure, within},
    position::Position,
    server, snapshot,
    tail::Tail,
};
use crate::rules::row::{Row, RowChange};

/// Rules as passed on, and the comparison in progress.
#[derive(Debug)]
pub(super) struct Audit {
    every: Duration,
    due: Instant,
    /// Marks of the rows passed on, by rule id.
    known: BTreeMap<String, u128>,
    /// Rules that the binlog has changed since the listing began.
    touched: BTreeSet<String>,
    listing: Listing,
}

#[derive(Debug)]
enum Listing {
    None,
    Begun(JoinHandle<Result<Listed, Failure>>),
    Done(Listed),
}

/// The rows of the table.
#[derive(Debug)]
struct Listed {
    marks: BTreeMap<String, u128>,
    /// Position behind everything in them.
    until: Position,
}

impl Audit {
    /// Compares at this interval.
    pub(super) fn new(every: Duration) -> Self {
        let (known, touched) = (BTreeMap::new(), BTreeSet::new());
        Audit { every, due: Instant::now() + every, known, touched, listing: Listing::None }
    }

    /// Records that these rows were passed on, and no others are.
    pub(super) fn replace(&mut self, rows: &BTreeMap<String, Row>) {
        self.known = rows.iter().map(|(rule_id, row)| (rule_id.clone(), row.mark())).collect();
        self.end();
    }

    /// Records that these changes were passed on.
    pub(super) fn apply(&mut self, changes: &[RowChange]) {
        for RowChange { before, after } in changes {
            if let Some(before) = before {
                self.known.remove(before);
                self.touched.insert(before.clone());
            }
            if let Some(after) = after {
                self.known.insert(after.rule_id.clone(), after.mark());
                self.touched.insert(after.rule_id.clone());
            }
        }
    }

    /// Does what is due, without waiting for the server. Returns a rule whose row is not the one passed on.
    pub(super) async fn step(&mut self, database: &Database, tail: &Tail) -> Option<String> {
        match &mut self.listing {
            Listing::None if self.due <= Instant::now() => {
                self.touched.clear();
                self.listing = Listing::Begun(tokio::spawn(list(database.clone())));
            }
            Listing::Begun(task) if task.is_finished() => match task.await {
                Ok(Ok(listed)) => self.listing = Listing::Done(listed),
                // The reader of the binlog reports a server that is away.
                Ok(Err(_)) | Err(_) => self.end(),
            },
            Listing::Done(listed) if tail.has_passed(&listed.until) => {
                let different = difference(&self.known, &listed.marks, &self.touched);
                self.end();
                return different;
            }
            Listing::None | Listing::Begun(_) | Listing::Done(_) => {}
        }
        None
    }

    fn end(&mut self) {
        (self.listing, self.due) = (Listing::None, Instant::now() + self.every);
    }
}

/// The first rule that differs, of those that are not touched.
fn difference(
    known: &BTreeMap<String, u128>,
    listed: &BTreeMap<String, u128>,
    touched: &BTreeSet<String>,
) -> Option<String> {
    let rules = known.keys().chain(listed.keys()).filter(|rule| !touched.contains(*rule));
    rules.filter(|rule| known.get(*rule) != listed.get(*rule)).min().cloned()
}

async fn list(database: Database) -> Result<Listed, Failure> {
    let mut conn = database.connect().await?;
    let rows = snapshot::rows(&mut conn).await?;
    let marks = rows.iter().map(|(rule_id, row)| (rule_id.clone(), row.mark())).collect();
    let until = within(ANSWER, server::position(&mut conn)).await?;
    Ok(Listed { marks, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_differs_or_is_missing_is_found_unless_the_binlog_touched_it() {
        let marks = |pairs: &[(&str, u128)]| -> BTreeMap<String, u128> {
            pairs.iter().map(|(rule, mark)| ((*rule).to_owned(), *mark)).collect()
        };
        let known = marks(&[("a", 1), ("b", 2)]);
        for (listed, different) in [
            (&[("a", 1), ("b", 2)][..], None),
            (&[("a", 1), ("b", 3)], Some("b")),
            (&[("b", 2)], Some("a")),
            (&[("a", 1), ("b", 2), ("c", 1)], Some("c")),
        ] {
            let found = difference(&known, &marks(listed), &BTreeSet::new());
            assert_eq!(found.as_deref(), different);
            let touched = different.into_iter().map(str::to_owned).collect();
            assert_eq!(difference(&known, &marks(listed), &touched), None);
        }
    }
}
