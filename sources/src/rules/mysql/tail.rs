//! Assembly of transactions from the steps of the binlog.
//!
//! **Invariant**: the output is whole committed transactions, and reading continues from one of them.
//! Whatever is rolled back (to a savepoint, a rollback that the binlog holds because of other tables, a
//! transaction cut off by a crash) is never output.

use std::collections::BTreeSet;

use super::{
    connect::Failure,
    event::Step,
    position::{Mark, Opening, Position},
    statement::Statement,
};
use crate::rules::row::RowChange;

/// State of reading, in the binlog and in a transaction.
#[derive(Debug)]
pub(super) struct Tail {
    /// Position up to which events have been read.
    at: Position,
    /// The last transaction output.
    last: Option<Mark>,
    /// Progress of reading that transaction again in a new stream.
    again: Again,
    trusts_names: bool,
    in_transaction: bool,
    opening: Option<Opening>,
    /// End of the events that have no positions.
    payload_end: u64,
    changes: Vec<RowChange>,
    savepoints: Vec<(String, usize)>,
    /// The XA transaction that is about to be prepared.
    preparing: Option<String>,
    /// XA transactions that were prepared and change no rules.
    harmless: Harmless,
}

/// State of verifying a new stream. A stream that continues an earlier one begins with the last transaction
/// output: the transaction at its position shows whether the server's history is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// The transaction has to come next.
    Awaited,
    /// The transaction is being read; it is not output again.
    Reading,
    /// The transaction has been read, or there was none.
    Over,
}

/// Names of XA transactions whose commit or rollback does not matter.
pub(super) type Harmless = BTreeSet<String>;

/// Upper bound of remembered names; the commit of a forgotten one leads to a new snapshot.
const REMEMBERED: usize = 10_000;

impl Tail {
    /// Starts at `start`, a position between transactions.
    pub(super) fn new(start: Position, harmless: Harmless) -> Tail {
        Tail {
            at: start,
            last: None,
            again: Again::Over,
            trusts_names: false,
            in_transaction: false,
            opening: None,
            payload_end: 0,
            changes: Vec::new(),
            savepoints: Vec::new(),
            preparing: None,
            harmless,
        }
    }

    /// The harmless XA transactions, which are valid for any position of this history; none before the
    /// history is verified.
    pub(super) fn into_harmless(self) -> Harmless {
        if self.again == Again::Awaited { Harmless::new() } else { self.harmless }
    }

    /// Prepares for a new stream of events that continues this one; `None` if no transaction was output that
    /// could verify it.
    pub(super) fn go_on(mut self) -> Option<Tail> {
        self.at = self.last.as_ref()?.position();
        self.again = Again::Awaited;
        self.trusts_names = false;
        self.forget();
        Some(self)
    }

    /// Position at which a stream of events has to begin.
    pub(super) fn at(&self) -> &Position {
        &self.at
    }

    /// Whether everything before `position` has been output.
    pub(super) fn has_passed(&self, position: &Position) -> bool {
        !self.in_transaction && self.at.reaches(position)
    }

    /// Takes a step that ends at `end` (0: unknown); returns the changes of a transaction at its commit.
    pub(super) fn step(&mut self, step: Step, end: u32) -> Result<Option<Vec<RowChange>>, Failure> {
        let end = if end == 0 { self.payload_end } else { u64::from(end) };
        if end > self.at.offset && !matches!(step, Step::Rotate(..)) {
            self.at.offset = end;
        }
        if self.again == Again::Awaited {
            self.await_last(&step)?;
        }
        match step {
            Step::Pass => {}
            Step::Format => {
                self.trusts_names = true;
                self.forget();
            }
            Step::Rotate(name, offset) => self.rotate(name, offset)?,
            Step::Payload => self.payload_end = end,
            Step::Opens(opening) => {
                // A transaction that is still open was cut off.
                self.forget();
                self.in_transaction = !opening.alone;
                self.opening = Some(opening);
            }
            Step::Rows(mut rows) => self.changes.append(&mut rows),
            Step::Statement(statement) => return self.statement(statement),
            Step::Commit => return Ok(self.commit()),
            Step::Prepared => {
                self.prepare();
                return Ok(self.commit());
            }
        }
        Ok(None)
    }

    /// Checks that the last transaction output is still at its position; an error means another history.
    fn await_last(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Pass | Step::Format => Ok(()),
            Step::Rotate(..) if !self.trusts_names => Ok(()),
            Step::Opens(opening) if self.last.as_ref().is_some_and(|last| last.opening == *opening) => {
                self.again = Again::Reading;
                Ok(())
            }
            _ => Err(Failure::Gap("the binlog has another history".to_owned())),
        }
    }

    fn rotate(&mut self, name: Option<String>, offset: u64) -> Result<(), Failure> {
        // The first one of a stream repeats the requested position, and may have a checksum after the name.
        if !self.trusts_names {
            return Ok(());
        }
        let file =
            name.ok_or_else(|| Failure::Away("the next binlog file has no readable name".to_owned()))?;
        self.forget();
        self.payload_end = 0;
        if file != self.at.file {
            self.at = Position { file, offset };
        }
        Ok(())
    }

    fn statement(&mut self, statement: Statement) -> Result<Option<Vec<RowChange>>, Failure> {
        match statement {
            Statement::Begin => self.in_transaction = true,
            Statement::Commit => return Ok(self.commit()),
            Statement::Rollback => {
                self.changes.clear();
                return Ok(self.commit());
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
            Statement::CommitPrepared(name) if !self.harmless.remove(&name) && self.again == Again::Over => {
                return Err(Failure::Gap("an XA transaction that may change rules was committed".to_owned()));
            }
            Statement::RollbackPrepared(name) => {
                self.harmless.remove(&name);
                return Ok(self.commit());
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
                return Ok(self.commit());
            }
            Statement::Other | Statement::CommitPrepared(_) => {}
        }
        Ok(None)
    }

    /// Ends the events of a prepared transaction. Its outcome is decided later; only that it changes no rules
    /// can be decided now.
    fn prepare(&mut self) {
        let name = self.preparing.take();
        if !std::mem::take(&mut self.changes).is_empty() {
            tracing::warn!("an XA transaction changes rules; all are read anew when it is committed");
            // The name may have been used before, by a harmless transaction.
            name.map(|name| self.harmless.remove(&name));
        } else if let Some(name) = name
            && self.harmless.len() < REMEMBERED
        {
            self.harmless.insert(name);
        }
    }

    /// Ends the transaction; returns its changes, unless it was output before.
    fn commit(&mut self) -> Option<Vec<RowChange>> {
        let changes = std::mem::take(&mut self.changes);
        let again = std::mem::replace(&mut self.again, Again::Over);
        let file = self.at.file.clone();
        self.last = self.opening.take().map(|opening| Mark { file, opening });
        self.forget();
        (again == Again::Over).then_some(changes)
    }

    fn forget(&mut self) {
        self.in_transaction = false;
        self.opening = None;
        self.preparing = None;
        self.changes.clear();
        self.savepoints.clear();
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
