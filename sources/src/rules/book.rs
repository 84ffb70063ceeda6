//! The rows passed on so far, and their difference from the rule table.
//!
//! Data flow: a source collects changed rows in [`Pending`]; a poll compares them with the [`Book`], which
//! returns the changes and records the rows as passed on.
//!
//! **Invariants**: a row equal to the one passed on last makes no change, however often it is read; a row
//! that becomes unreadable leaves its rule in force.

use std::collections::{BTreeMap, BTreeSet};

use operators::document::{
    lifecycle::{Gap, Status},
    text::DocumentDigest,
};

use super::{
    Change, RuleChange,
    document::Unreadable,
    row::{Row, RowChange, TABLE},
};

/// Meaning of the version column in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// The store gives every document of a rule a version of its own.
    Unique,
    /// Versions are written by hand. A version that has named two documents is not passed on; the engine then
    /// numbers the rule's documents itself.
    Unchecked,
}

/// Rows as last passed on, by rule id.
#[derive(Debug)]
pub(super) struct Book {
    versions: Versions,
    known: BTreeMap<String, Known>,
}

/// A row as last passed on.
#[derive(Debug)]
struct Known {
    mark: u128,
    /// Whether a document of the row is in force.
    in_force: bool,
    /// The last change passed on, while it is in force.
    passed: Option<Passed>,
    /// The last version passed on, and the digest of its document.
    named: Option<(u64, DocumentDigest)>,
    /// Whether the version in `named` has since named another document, so that the engine numbers the
    /// documents.
    stale: bool,
}

/// The parts of a [`Put`](operators::document::put::Put) in which two of one rule can differ.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    digest: DocumentDigest,
    status: Status,
    gap: Gap,
    version: Option<u64>,
}

/// Rows that changed since the last poll.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whether `rows` is the whole table.
    whole: bool,
    /// Row by rule id; `None` for a deleted row.
    rows: BTreeMap<String, Option<Row>>,
}

impl Pending {
    /// Collects the whole table, in place of everything collected before.
    pub(super) fn replace(&mut self, rows: BTreeMap<String, Row>) {
        self.whole = true;
        self.rows = rows.into_iter().map(|(rule_id, row)| (rule_id, Some(row))).collect();
    }

    /// Collects the current row of one rule; `None` if it has none.
    pub(super) fn set(&mut self, rule_id: String, row: Option<Row>) {
        self.rows.insert(rule_id, row);
    }

    /// Collects the changes of one transaction.
    pub(super) fn apply(&mut self, changes: Vec<RowChange>) {
        for RowChange { before, after } in changes {
            let gone = before.filter(|before| after.as_ref().is_none_or(|after| after.rule_id != *before));
            if let Some(gone) = gone {
                self.set(gone, None);
            }
            if let Some(after) = after {
                self.set(after.rule_id.clone(), Some(after));
            }
        }
    }
}

impl Book {
    /// An empty book, to which every row is new.
    pub(super) fn new(versions: Versions) -> Self {
        Book { versions, known: BTreeMap::new() }
    }

    /// Compares the rows with the book, records them and returns the changes: removals, then documents, then
    /// unreadable rows.
    pub(super) fn differences(&mut self, pending: Pending) -> Vec<RuleChange> {
        let Pending { whole, mut rows } = pending;
        let mut touched: BTreeSet<String> = rows.keys().cloned().collect();
        if whole {
            touched.extend(self.known.keys().cloned());
        }
        let (mut removed, mut put, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for rule_id in touched {
            let row = rows.remove(&rule_id).flatten();
            let Some(change) = self.difference(&rule_id, row) else { continue };
            let list = match change {
                Change::Remove { .. } => &mut removed,
                Change::Put(_) => &mut put,
                Change::Unreadable { .. } => &mut unreadable,
            };
            list.push(RuleChange { origin: format!("{TABLE} {rule_id}"), change });
        }
        removed.append(&mut put);
        removed.append(&mut unreadable);
        removed
    }

    fn difference(&mut self, rule_id: &str, row: Option<Row>) -> Option<Change> {
        let Some(row) = row else {
            return self.known.remove(rule_id)?.in_force.then(|| removal(rule_id));
        };
        let mark = row.mark();
        let known = match self.known.get_mut(rule_id) {
            Some(known) if known.mark == mark => return None,
            Some(known) => known,
            None => self.known.entry(rule_id.to_owned()).or_insert(Known::new(mark)),
        };
        known.mark = mark;
        known.change(row, self.versions)
    }
}

impl Known {
    fn new(mark: u128) -> Self {
        Known { mark, in_force: false, passed: None, named: None, stale: false }
    }

    fn change(&mut self, row: Row, versions: Versions) -> Option<Change> {
        let (rule_id, digest) = (row.rule_id.clone(), row.digest);
        let passed = self.passed.take();
        match row.read() {
            None => std::mem::take(&mut self.in_force).then(|| removal(&rule_id)),
            Some(Ok(mut put)) => {
                self.in_force = true;
                if versions == Versions::Unchecked {
                    put.version = self.version(put.version, digest);
                }
                self.passed = Some(Passed { digest, status: put.status, gap: put.gap, version: put.version });
                // While the engine numbers the documents, a change of the row's own version alone is no
                // change.
                (self.passed != passed).then_some(Change::Put(put))
            }
            Some(Err(Unreadable(reason))) => Some(Change::Unreadable { rule_id: Some(rule_id), reason }),
        }
    }

    /// The row's version; `None` once it has named two documents, and the engine numbers them.
    fn version(&mut self, version: Option<u64>, digest: DocumentDigest) -> Option<u64> {
        let version = version?;
        match self.named {
            Some((named, document)) if named == version => self.stale |= document != digest,
            _ => (self.named, self.stale) = (Some((version, digest)), false),
        }
        (!self.stale).then_some(version)
    }
}

fn removal(rule_id: &str) -> Change {
    Change::Remove { rule_id: Some(rule_id.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rule_id: &str, version: Option<u64>, status: &str, text: &str) -> Row {
        let document = format!(r#"{{"rule_id":"{rule_id}","name":"{text}"}}"#);
        let (status, gap) = (status.to_owned(), "replay".to_owned());
        Row::new(rule_id.to_owned(), version, status, gap, document.into_bytes())
    }

    fn see(book: &mut Book, row: Row) -> Vec<RuleChange> {
        let mut pending = Pending::default();
        pending.apply(vec![RowChange { before: None, after: Some(row) }]);
        book.differences(pending)
    }

    fn version(changes: &[RuleChange]) -> Option<u64> {
        let [RuleChange { change: Change::Put(put), .. }] = changes else { panic!("{changes:?}") };
        put.version
    }

    #[test]
    fn a_version_names_one_document_or_the_engine_counts() {
        let mut book = Book::new(Versions::Unchecked);
        assert_eq!(version(&see(&mut book, row("a", Some(3), "online", "1"))), Some(3));
        assert!(see(&mut book, row("a", Some(3), "online", "1")).is_empty());
        assert_eq!(version(&see(&mut book, row("a", Some(3), "online", "2"))), None);
        // Paused while the engine numbers the documents.
        assert_eq!(version(&see(&mut book, row("a", Some(3), "paused", "2"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(3), "paused", "1"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(4), "paused", "1"))), Some(4));
        assert_eq!(version(&see(&mut book, row("a", None, "paused", "5"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(5), "paused", "5"))), Some(5));
        assert_eq!(version(&see(&mut book, row("a", Some(5), "paused", "6"))), None);
        assert!(see(&mut book, row("a", None, "paused", "6")).is_empty());
    }

    #[test]
    fn versions_of_a_store_that_gives_each_document_its_own_are_passed_on() {
        let mut book = Book::new(Versions::Unique);
        for (seen, text) in [(Some(1), "1"), (Some(2), "2"), (Some(3), "1")] {
            assert_eq!(version(&see(&mut book, row("a", seen, "online", text))), seen);
            assert!(see(&mut book, row("a", seen, "online", text)).is_empty());
        }
    }

    #[test]
    fn drafts_are_not_there_and_unreadable_rows_change_nothing() {
        let mut book = Book::new(Versions::Unchecked);
        assert!(see(&mut book, row("a", None, "draft", "1")).is_empty());
        assert_eq!(see(&mut book, row("a", None, "online", "1")).len(), 1);
        let mut odd = row("a", None, "online", "2");
        odd.resume_gap = "later".to_owned();
        for (wrong, said) in [
            (odd, "write replay or skip"),
            (row("a", None, "onlin", "1"), "write draft, in_review"),
            (Row { rule_id: "a".to_owned(), ..row("b", None, "online", "1") }, "is of rule `b`"),
        ] {
            let changes = see(&mut book, wrong);
            assert!(
                matches!(&changes[..], [RuleChange { change: Change::Unreadable { reason, .. }, .. }] if reason.contains(said))
            );
        }
        // Once repaired, it is passed on again, as after any other change.
        assert_eq!(see(&mut book, row("a", None, "online", "1")).len(), 1);
        let changes = see(&mut book, row("a", None, "draft", "1"));
        assert!(matches!(&changes[..], [RuleChange { change: Change::Remove { .. }, .. }]));
    }

    #[test]
    fn a_snapshot_is_compared_with_what_was_passed_on() {
        let mut book = Book::new(Versions::Unchecked);
        for rule in ["a", "b", "c"] {
            see(&mut book, row(rule, None, "online", "1"));
        }
        let mut pending = Pending::default();
        // Rows collected before the snapshot are discarded.
        pending.apply(vec![RowChange { before: Some("a".to_owned()), after: None }]);
        let rows =
            [row("a", None, "online", "1"), row("c", None, "online", "2"), row("d", None, "online", "1")];
        pending.replace(rows.into_iter().map(|row| (row.rule_id.clone(), row)).collect());
        pending.apply(vec![RowChange {
            before: Some("d".to_owned()),
            after: Some(row("e", None, "online", "1")),
        }]);
        let seen: Vec<(String, bool)> = book
            .differences(pending)
            .into_iter()
            .map(|c| (c.rule_id().unwrap().to_owned(), matches!(c.change, Change::Remove { .. })))
            .collect();
        let seen: Vec<(&str, bool)> = seen.iter().map(|(rule, gone)| (rule.as_str(), *gone)).collect();
        assert_eq!(seen, [("b", true), ("c", false), ("e", false)]);
    }
}
