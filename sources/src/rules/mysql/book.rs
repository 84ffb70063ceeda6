//! What has been passed on of each rule, and how the table differs from it.
//!
//! **Invariant**: a row that says what was passed on last makes no change, however often it is seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    TABLE,
    row::{Row, RowChange},
};

use crate::rules::{Change, RuleChange, document};
use operators::document::lifecycle::{Gap, Status};

/// Rules as they were last passed on.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: BTreeMap<String, Known>,
}

/// A row as last passed on.
#[derive(Debug)]
struct Known {
    mark: u128,
    /// Whether a document of it is in force.
    in_force: bool,
    /// What was passed on, if that is still in force.
    passed: Option<(u128, Status, Gap, Option<u64>)>,
    /// The last version passed on, and the document it named.
    named: Option<(u64, u128)>,
    /// The document was changed under that version: it names another one, and the engine counts.
    stale: bool,
}

/// Rows that changed since the last poll.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whether `rows` are all there are.
    whole: bool,
    /// `None` for a row that is gone.
    rows: BTreeMap<String, Option<Row>>,
}

impl Pending {
    /// All rows, in place of what was known of them.
    pub(super) fn replace(&mut self, rows: BTreeMap<String, Row>) {
        self.whole = true;
        self.rows = rows.into_iter().map(|(rule_id, row)| (rule_id, Some(row))).collect();
    }

    /// One transaction.
    pub(super) fn apply(&mut self, changes: Vec<RowChange>) {
        for RowChange { before, after } in changes {
            let gone = before.filter(|before| after.as_ref().is_none_or(|after| after.rule_id != *before));
            if let Some(gone) = gone {
                self.rows.insert(gone, None);
            }
            if let Some(after) = after {
                self.rows.insert(after.rule_id.clone(), Some(after));
            }
        }
    }
}

impl Book {
    /// What the rows say against what is known.
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
                Change::Remove => &mut removed,
                Change::Put { .. } => &mut put,
                Change::Unreadable { .. } => &mut unreadable,
            };
            list.push(RuleChange { origin: format!("{TABLE} {rule_id}"), rule_id: Some(rule_id), change });
        }
        removed.append(&mut put);
        removed.append(&mut unreadable);
        removed
    }

    fn difference(&mut self, rule_id: &str, row: Option<Row>) -> Option<Change> {
        let Some(row) = row else {
            return self.known.remove(rule_id)?.in_force.then_some(Change::Remove);
        };
        let mark = mark(&row);
        let before = self.known.remove(rule_id);
        if before.as_ref().is_some_and(|known| known.mark == mark) {
            self.known.extend(before.map(|known| (rule_id.to_owned(), known)));
            return None;
        }
        let mut known =
            before.unwrap_or(Known { mark, in_force: false, passed: None, named: None, stale: false });
        known.mark = mark;
        let change = known.change(rule_id, row);
        self.known.insert(rule_id.to_owned(), known);
        change
    }
}

impl Known {
    fn change(&mut self, rule_id: &str, row: Row) -> Option<Change> {
        let was_in_force = self.in_force;
        let digest = row.digest;
        let version = row.version;
        let passed = self.passed.take();
        match read(rule_id, row) {
            None => {
                self.in_force = false;
                was_in_force.then_some(Change::Remove)
            }
            Some(Ok((document, status, gap))) => {
                self.in_force = true;
                let version = self.version(version, digest);
                self.passed = Some((digest, status, gap, version));
                // Where the engine counts, the row's own version makes no difference.
                (self.passed != passed).then_some(Change::Put { document, status, version, gap })
            }
            Some(Err(reason)) => Some(Change::Unreadable { reason }),
        }
    }

    /// The row's version, unless it is one that named another document: then the engine counts.
    fn version(&mut self, version: Option<u64>, digest: u128) -> Option<u64> {
        let version = version?;
        match self.named {
            Some((named, document)) if named == version => self.stale |= document != digest,
            _ => (self.named, self.stale) = (Some((version, digest)), false),
        }
        (!self.stale).then_some(version)
    }
}

/// Tells one state of a row from another, as far as it matters.
fn mark(row: &Row) -> u128 {
    let head = format!("{:?} {} {} ", row.version, row.status, row.resume_gap);
    document::digest(&[head.as_bytes(), &row.digest.to_le_bytes()].concat())
}

/// What a row says; `None` for one that is not to run yet.
fn read(rule_id: &str, row: Row) -> Option<Result<(String, Status, Gap), String>> {
    let status = match row.status.as_str() {
        "draft" | "in_review" => return None,
        "online" => Status::Online,
        "paused" => Status::Paused,
        "retired" => Status::Retired,
        other => {
            let right = "write draft, in_review, online, paused or retired";
            return Some(Err(format!("`status` is {other:?}; {right}")));
        }
    };
    let Some(gap) = Gap::parse(&row.resume_gap) else {
        return Some(Err(format!("`resume_gap` is {:?}; write replay or skip", row.resume_gap)));
    };
    let checked = row.document.and_then(|document| match document::rule_id(&document)? {
        id if id == rule_id => Ok(document),
        id => {
            Err(format!("`rule_json` is of rule `{id}`, its row of `{rule_id}`; write the same id in both"))
        }
    });
    Some(checked.map(|document| (document, status, gap)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rule_id: &str, version: Option<u64>, status: &str, text: &str) -> Row {
        let document = format!(r#"{{"rule_id":"{rule_id}","name":"{text}"}}"#);
        Row {
            rule_id: rule_id.to_owned(),
            version,
            status: status.to_owned(),
            resume_gap: "replay".to_owned(),
            digest: document::digest(document.as_bytes()),
            document: Ok(document),
        }
    }

    fn see(book: &mut Book, row: Row) -> Vec<RuleChange> {
        let mut pending = Pending::default();
        pending.apply(vec![RowChange { before: None, after: Some(row) }]);
        book.differences(pending)
    }

    fn version(changes: &[RuleChange]) -> Option<u64> {
        let [RuleChange { change: Change::Put { version, .. }, .. }] = changes else { panic!("{changes:?}") };
        *version
    }

    #[test]
    fn a_version_names_one_document_or_the_engine_counts() {
        let mut book = Book::default();
        assert_eq!(version(&see(&mut book, row("a", Some(3), "online", "1"))), Some(3));
        assert!(see(&mut book, row("a", Some(3), "online", "1")).is_empty());
        assert_eq!(version(&see(&mut book, row("a", Some(3), "online", "2"))), None);
        // Paused under the version the engine gave it.
        assert_eq!(version(&see(&mut book, row("a", Some(3), "paused", "2"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(3), "paused", "1"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(4), "paused", "1"))), Some(4));
        assert_eq!(version(&see(&mut book, row("a", None, "paused", "5"))), None);
        assert_eq!(version(&see(&mut book, row("a", Some(5), "paused", "5"))), Some(5));
        assert_eq!(version(&see(&mut book, row("a", Some(5), "paused", "6"))), None);
        assert!(see(&mut book, row("a", None, "paused", "6")).is_empty());
    }

    #[test]
    fn drafts_are_not_there_and_unreadable_rows_change_nothing() {
        let mut book = Book::default();
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
                matches!(&changes[..], [RuleChange { change: Change::Unreadable { reason }, .. }] if reason.contains(said))
            );
        }
        // Mended, it is passed on again, as after any other change.
        assert_eq!(see(&mut book, row("a", None, "online", "1")).len(), 1);
        let changes = see(&mut book, row("a", None, "draft", "1"));
        assert!(matches!(&changes[..], [RuleChange { change: Change::Remove, .. }]));
    }

    #[test]
    fn a_snapshot_is_compared_with_what_was_passed_on() {
        let mut book = Book::default();
        for rule in ["a", "b", "c"] {
            see(&mut book, row(rule, None, "online", "1"));
        }
        let mut pending = Pending::default();
        // Rows from before the snapshot do not count any more.
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
            .map(|c| (c.rule_id.unwrap(), matches!(c.change, Change::Remove)))
            .collect();
        let seen: Vec<(&str, bool)> = seen.iter().map(|(rule, gone)| (rule.as_str(), *gone)).collect();
        assert_eq!(seen, [("b", true), ("c", false), ("e", false)]);
    }
}
