//! Puts transactions together from the steps of the binlog.
//!
//! **Invariant**: what comes out is one whole committed transaction, and the position is one between transactions.
//! Whatever is taken back (a savepoint, a rollback that the binlog holds because of other tables, a transaction that a
//! crash cut off) never comes out.

use std::collections::BTreeSet;

use super::{
    connect::Failure,
    event::Step,
    position::{Gtid, Gtids, Position},
    row::RowChange,
    statement::Statement,
};

/// Where reading stands, in the binlog and in a transaction.
#[derive(Debug)]
pub(super) struct Tail {
    /// Up to where events have been read.
    at: Position,
    /// Up to where transactions have come out.
    committed: Position,
    gtids: Gtids,
    trusts_names: bool,
    in_transaction: bool,
    gtid: Option<Gtid>,
    /// Where the events that come without positions end.
    payload_end: u64,
    changes: Vec<RowChange>,
    savepoints: Vec<(String, usize)>,
    /// The XA transaction that is about to be prepared.
    preparing: Option<String>,
    /// XA transactions that were prepared and do not concern rules.
    harmless: Harmless,
}

/// Names of XA transactions whose verdict does not matter.
pub(super) type Harmless = BTreeSet<String>;

/// As many are remembered; of one that is forgotten, the verdict makes a new snapshot.
const REMEMBERED: usize = 10_000;

impl Tail {
    /// From `start`, a position between transactions, with `gtids` before it.
    pub(super) fn new(start: Position, gtids: Gtids, harmless: Harmless) -> Tail {
        Tail {
            at: start.clone(),
            committed: start,
            gtids,
            trusts_names: false,
            in_transaction: false,
            gtid: None,
            payload_end: 0,
            changes: Vec::new(),
            savepoints: Vec::new(),
            preparing: None,
            harmless,
        }
    }

    /// What has been learned and holds for any position.
    pub(super) fn into_harmless(self) -> Harmless {
        self.harmless
    }

    /// The same place in a new stream of events.
    pub(super) fn reconnected(&mut self) {
        self.at = self.committed.clone();
        self.trusts_names = false;
        self.forget();
    }

    /// Where to go on from.
    pub(super) fn committed(&self) -> &Position {
        &self.committed
    }

    /// The transactions before that.
    pub(super) fn gtids(&self) -> &Gtids {
        &self.gtids
    }

    /// Whether everything before `position` has come out.
    pub(super) fn has_passed(&self, position: &Position) -> bool {
        !self.in_transaction && self.at.reaches(position)
    }

    /// Takes a step that ends at `end` (0: unknown); what a transaction changed, at its commit.
    pub(super) fn step(&mut self, step: Step, end: u32) -> Result<Option<Vec<RowChange>>, Failure> {
        let end = if end == 0 { self.payload_end } else { u64::from(end) };
        if end > self.at.offset && !matches!(step, Step::Rotate(..)) {
            self.at.offset = end;
        }
        match step {
            Step::Pass => {}
            Step::Format => {
                self.trusts_names = true;
                self.forget();
            }
            Step::Rotate(name, offset) => self.rotate(name, offset)?,
            Step::Payload => self.payload_end = end,
            Step::Gtid(gtid, alone) => {
                // The one before was cut off, if it is still open.
                self.forget();
                self.gtid = gtid;
                self.in_transaction = !alone;
            }
            Step::Rows(mut rows) => self.changes.append(&mut rows),
            Step::Statement(statement) => return self.statement(statement),
            Step::Commit => return Ok(Some(self.commit())),
            Step::Prepared => {
                self.prepare();
                return Ok(Some(self.commit()));
            }
        }
        Ok(None)
    }

    fn rotate(&mut self, name: Option<String>, offset: u64) -> Result<(), Failure> {
        // The first one of a stream only repeats what was asked for, and may have a checksum behind the name.
        if !self.trusts_names {
            return Ok(());
        }
        let file =
            name.ok_or_else(|| Failure::Away("the next binlog file has no readable name".to_owned()))?;
        self.forget();
        self.payload_end = 0;
        if file != self.at.file {
            self.at = Position { file, offset };
            self.committed = self.at.clone();
        }
        Ok(())
    }

    fn statement(&mut self, statement: Statement) -> Result<Option<Vec<RowChange>>, Failure> {
        match statement {
            Statement::Begin => self.in_transaction = true,
            Statement::Commit => return Ok(Some(self.commit())),
            Statement::Rollback => {
                self.changes.clear();
                return Ok(Some(self.commit()));
            }
            Statement::Savepoint(name) => {
                self.savepoints.retain(|(known, _)| *known != name);
                self.savepoints.push((name, self.changes.len()));
            }
            Statement::RollbackTo(name) => {
                match self.savepoints.iter().rposition(|(known, _)| *known == name) {
                    Some(at) => {
                        self.changes.truncate(self.savepoints[at].1);
                        self.savepoints.truncate(at + 1);
                    }
                    None if self.changes.is_empty() => {}
                    None => return Err(Failure::Gap(format!("a rollback to the unknown savepoint {name}"))),
                }
            }
            Statement::EndPrepared(name) => self.preparing = Some(name),
            Statement::CommitPrepared(name) if !self.harmless.remove(&name) => {
                return Err(Failure::Gap("an XA transaction that may change rules was committed".to_owned()));
            }
            Statement::RollbackPrepared(name) => {
                self.harmless.remove(&name);
                return Ok(Some(self.commit()));
            }
            Statement::Table => return Err(Failure::Gap("the rule table was altered or emptied".to_owned())),
            Statement::Rows => {
                return Err(Failure::Gap(
                    "rows were changed without row events; a session has set `binlog_format` to other than ROW"
                        .to_owned(),
                ));
            }
            // Outside a transaction a statement is one.
            Statement::Other | Statement::CommitPrepared(_) if !self.in_transaction => {
                return Ok(Some(self.commit()));
            }
            Statement::Other | Statement::CommitPrepared(_) => {}
        }
        Ok(None)
    }

    /// What a prepared transaction changes is decided later; only that it concerns no rule can be told now.
    fn prepare(&mut self) {
        if !std::mem::take(&mut self.changes).is_empty() {
            tracing::warn!("an XA transaction changes rules; all are read anew when it is committed");
        } else if let Some(name) = self.preparing.take()
            && self.harmless.len() < REMEMBERED
        {
            self.harmless.insert(name);
        }
    }

    fn commit(&mut self) -> Vec<RowChange> {
        if let Some(gtid) = self.gtid {
            self.gtids.advance(gtid);
        }
        let changes = std::mem::take(&mut self.changes);
        self.committed = self.at.clone();
        self.forget();
        changes
    }

    fn forget(&mut self) {
        self.in_transaction = false;
        self.gtid = None;
        self.preparing = None;
        self.changes.clear();
        self.savepoints.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail() -> Tail {
        let mut tail = Tail::new(
            Position { file: "b.000001".to_owned(), offset: 100 },
            Gtids::default(),
            Harmless::new(),
        );
        assert_eq!(tail.step(Step::Rotate(None, 4), 0).unwrap(), None);
        assert_eq!(tail.step(Step::Format, 0).unwrap(), None);
        tail
    }

    fn rows(rule: &str) -> Step {
        Step::Rows(vec![RowChange { before: Some(rule.to_owned()), after: None }])
    }

    fn rules(changes: Option<Vec<RowChange>>) -> Vec<String> {
        changes.unwrap().into_iter().map(|c| c.before.unwrap()).collect()
    }

    fn begin() -> Step {
        Step::Gtid(Some(Gtid { domain: 0, server: 1, sequence: 5 }), false)
    }

    #[test]
    fn a_transaction_comes_out_at_its_commit() {
        let mut tail = tail();
        tail.step(begin(), 120).unwrap();
        assert_eq!(tail.step(rows("a"), 150).unwrap(), None);
        assert_eq!(tail.step(rows("b"), 180).unwrap(), None);
        assert_eq!((tail.committed().offset, tail.gtids().to_string().as_str()), (100, ""));
        assert_eq!(rules(tail.step(Step::Commit, 200).unwrap()), ["a", "b"]);
        assert_eq!((tail.committed().offset, tail.gtids().to_string().as_str()), (200, "0-1-5"));
    }

    #[test]
    fn what_is_taken_back_does_not_come_out() {
        let mut tail = tail();
        let at = |name: &str| Step::Statement(Statement::Savepoint(name.to_owned()));
        let back = |name: &str| Step::Statement(Statement::RollbackTo(name.to_owned()));
        tail.step(Step::Statement(Statement::Begin), 110).unwrap();
        for step in [rows("a"), at("x"), rows("b"), at("y"), rows("c"), back("x"), rows("d")] {
            assert_eq!(tail.step(step, 120).unwrap(), None);
        }
        assert_eq!(tail.committed().offset, 100);
        assert_eq!(rules(tail.step(Step::Statement(Statement::Commit), 130).unwrap()), ["a", "d"]);
        tail.step(begin(), 140).unwrap();
        tail.step(rows("a"), 150).unwrap();
        assert!(rules(tail.step(Step::Statement(Statement::Rollback), 160).unwrap()).is_empty());
        tail.step(begin(), 170).unwrap();
        tail.step(rows("a"), 180).unwrap();
        assert!(matches!(tail.step(back("x"), 190), Err(Failure::Gap(_))));
    }

    #[test]
    fn a_transaction_that_was_cut_off_does_not_come_out() {
        let mut tail = tail();
        tail.step(begin(), 120).unwrap();
        tail.step(rows("a"), 150).unwrap();
        tail.step(Step::Rotate(Some("b.000002".to_owned()), 4), 0).unwrap();
        tail.step(Step::Format, 60).unwrap();
        assert_eq!(tail.committed().to_string(), "b.000002:4");
        tail.step(begin(), 90).unwrap();
        assert!(rules(tail.step(Step::Commit, 99).unwrap()).is_empty());
    }

    #[test]
    fn a_name_with_a_checksum_behind_it_is_not_believed() {
        let mut tail = tail();
        assert!(matches!(tail.step(Step::Rotate(None, 4), 0), Err(Failure::Away(_))));
        tail.reconnected();
        tail.step(Step::Rotate(Some("c.999999".to_owned()), 4), 0).unwrap();
        assert_eq!(tail.committed().to_string(), "b.000001:100");
    }

    #[test]
    fn a_compressed_transaction_ends_where_its_payload_does() {
        let mut tail = tail();
        tail.step(Step::Gtid(None, true), 120).unwrap();
        tail.step(Step::Payload, 300).unwrap();
        tail.step(Step::Statement(Statement::Begin), 0).unwrap();
        tail.step(rows("a"), 0).unwrap();
        assert_eq!(rules(tail.step(Step::Commit, 0).unwrap()), ["a"]);
        assert_eq!(tail.committed().offset, 300);
    }

    #[test]
    fn statements_that_say_too_little_ask_for_a_snapshot() {
        for statement in [Statement::Table, Statement::Rows] {
            assert!(matches!(tail().step(Step::Statement(statement), 120), Err(Failure::Gap(_))));
        }
    }

    #[test]
    fn of_prepared_transactions_only_those_without_rules_are_known() {
        let mut tail = tail();
        let statement = |make: fn(String) -> Statement, name: &str| Step::Statement(make(name.to_owned()));
        for (name, changes) in [("harmless", false), ("rules", true)] {
            tail.step(begin(), 130).unwrap();
            if changes {
                tail.step(rows("a"), 140).unwrap();
            }
            tail.step(statement(Statement::EndPrepared, name), 145).unwrap();
            assert!(rules(tail.step(Step::Prepared, 150).unwrap()).is_empty());
        }
        assert!(rules(tail.step(statement(Statement::CommitPrepared, "harmless"), 160).unwrap()).is_empty());
        for unknown in ["harmless", "rules", "earlier"] {
            assert!(matches!(
                tail.step(statement(Statement::CommitPrepared, unknown), 170),
                Err(Failure::Gap(_))
            ));
        }
    }

    #[test]
    fn what_may_be_in_the_snapshot_is_passed_only_between_transactions() {
        let mut tail = tail();
        let until = Position { file: "b.000001".to_owned(), offset: 150 };
        assert!(!tail.has_passed(&until));
        tail.step(begin(), 120).unwrap();
        tail.step(rows("a"), 170).unwrap();
        assert!(!tail.has_passed(&until));
        tail.step(Step::Commit, 200).unwrap();
        assert!(tail.has_passed(&until));
    }
}
