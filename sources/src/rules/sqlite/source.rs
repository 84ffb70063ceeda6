//! The engine's side: reads changes from the log; writes states to `rule_status` and offsets to `live_cut`,
//! which the log does not cover.
//!
//! A poll first asks SQLite whether another connection has committed (`data_version`), then reads the log
//! from the last entry read, and the rows that it names, in one transaction. If the log does not continue
//! from that entry, because it was truncated or restored to an earlier state, all rows are read and compared
//! with those passed on: no change is lost or invented.
//!
//! Database triggers give every document of a rule a version of its own.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use operators::{document::lifecycle::RunState, model::ids::Positions};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, Transaction, params, types::ValueRef};

use super::{failed, open, shown};
use crate::{
    SourceError,
    rules::{
        RuleChange, RuleSource,
        book::{Book, Pending, Versions},
        offsets_json,
        row::Row,
        table::Table,
    },
};

/// Entries kept in the log.
const LOG: i64 = 100_000;
/// Excess of entries at which the log is truncated.
const LOG_SLACK: i64 = 10_000;

const ROWS: &str =
    "SELECT rule_id, rule_id, version, status, rule_json, resume_gap FROM rule_engine_resource";
/// The rules that the log names after an entry, each with its row if it has one.
const LOGGED: &str = "SELECT c.rule_id, r.rule_id, version, status, rule_json, resume_gap
    FROM (SELECT DISTINCT rule_id FROM rule_change WHERE seq > ?1) c
    LEFT JOIN rule_engine_resource r ON r.rule_id = c.rule_id";

/// Polls the rules in an SQLite file.
#[derive(Debug)]
pub struct SqliteRules {
    path: PathBuf,
    connection: Connection,
    inode: u64,
    /// SQLite's counter of other connections' commits at the last poll.
    data_version: Option<i64>,
    /// The last log entry passed on.
    at: Entry,
    book: Book,
}

/// A position in the log. Entries are equal only if their contents are, so that a log that was restored and
/// continued is detected.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    seq: i64,
    /// Rule and time of the entry; `None` if it is no longer in the log.
    says: Option<(String, String)>,
}

impl SqliteRules {
    /// Opens the file; creates it and its tables if they do not exist.
    ///
    /// # Errors
    /// If it is no SQLite file, cannot be written, or was written by a later release.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let connection = open(path)?;
        let inode = inode(path)?;
        Ok(SqliteRules {
            path: path.to_owned(),
            connection,
            inode,
            data_version: None,
            at: Entry::default(),
            book: Book::new(Versions::Unique),
        })
    }

    /// Returns an error if the open file was replaced by another one: SQLite would mix the two.
    fn check_same_file(&self) -> Result<(), SourceError> {
        if inode(&self.path)? == self.inode {
            Ok(())
        } else {
            Err(SourceError::Replaced { path: self.path.clone() })
        }
    }

    fn changes(&mut self) -> rusqlite::Result<Vec<RuleChange>> {
        // Read before the rows: a commit in between is read twice, not lost.
        let data_version: i64 = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.data_version == Some(data_version) {
            return Ok(Vec::new());
        }
        let transaction = self.connection.transaction()?;
        let continues = self.data_version.is_some() && continues(&transaction, &self.at)?;
        let pending = if continues { logged(&transaction, self.at.seq)? } else { all(&transaction)? };
        let (first, last): (i64, i64) = transaction.query_row(
            "SELECT coalesce((SELECT min(seq) FROM rule_change), ?1),
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'rule_change'), 0)",
            [i64::MAX],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let at = entry(&transaction, last)?;
        transaction.commit()?;
        (self.data_version, self.at) = (Some(data_version), at);
        let changes = self.book.differences(pending);
        // A failed truncation must not fail the poll, whose rows are recorded as passed on; a later poll
        // truncates the log.
        if last.saturating_sub(first) >= LOG + LOG_SLACK
            && let Err(error) =
                self.connection.execute("DELETE FROM rule_change WHERE seq <= ?1", [last - LOG])
        {
            tracing::warn!(%error, path = %self.path.display(), "the log of rule changes could not be truncated");
        }
        Ok(changes)
    }
}

impl RuleSource for SqliteRules {
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
        self.check_same_file()?;
        self.changes().map_err(|source| failed(&self.path, source))
    }

    fn write_status(
        &mut self,
        rule_id: &str,
        version: u64,
        state: RunState,
        detail: &str,
    ) -> Result<(), SourceError> {
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        self.connection
            .prepare_cached(
                "INSERT INTO rule_status (rule_id, version, state, detail, at)
                 VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
                 ON CONFLICT (rule_id, version) DO UPDATE
                 SET state = excluded.state, detail = excluded.detail, at = excluded.at",
            )
            .and_then(|mut statement| statement.execute(params![rule_id, version, state.as_str(), detail]))
            .map_err(|source| failed(&self.path, source))?;
        Ok(())
    }

    fn write_live_cut(&mut self, rule_id: &str, version: u64, cut: &Positions) -> Result<(), SourceError> {
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        // A row that has moved on to a later version gets the cut of that version.
        self.connection
            .prepare_cached(
                "UPDATE rule_engine_resource SET live_cut = ?3 WHERE rule_id = ?1 AND version <= ?2",
            )
            .and_then(|mut statement| statement.execute(params![rule_id, version, offsets_json(cut)]))
            .map_err(|source| failed(&self.path, source))?;
        Ok(())
    }
}

fn entry(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<Entry> {
    let mut statement = transaction.prepare_cached("SELECT rule_id, at FROM rule_change WHERE seq = ?1")?;
    let says =
        statement.query_row([seq], |row| Ok((shown(row.get_ref(0)?), shown(row.get_ref(1)?)))).optional()?;
    Ok(Entry { seq, says })
}

/// Whether the log holds all changes since `at`.
fn continues(transaction: &Transaction<'_>, at: &Entry) -> rusqlite::Result<bool> {
    let first: Option<i64> =
        transaction.query_row("SELECT min(seq) FROM rule_change", [], |row| row.get(0))?;
    // If the entry itself is gone, the next one has to be the first of the log.
    Ok(entry(transaction, at.seq)? == *at && (at.says.is_some() || first == Some(at.seq + 1)))
}

/// Collects the rows of the rules that the log names after `seq`.
fn logged(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<Pending> {
    let mut pending = Pending::default();
    let mut statement = transaction.prepare_cached(LOGGED)?;
    for named in statement.query_map([seq], look)? {
        let (rule_id, row) = named?;
        pending.set(rule_id, row);
    }
    Ok(pending)
}

/// Collects all rows.
fn all(transaction: &Transaction<'_>) -> rusqlite::Result<Pending> {
    let mut pending = Pending::default();
    let mut table = Table::default();
    for found in transaction.prepare(ROWS)?.query_map([], look)? {
        found?.1.into_iter().for_each(|row| table.push(row));
    }
    pending.replace(table.into());
    Ok(pending)
}

/// Reads a rule id, and the rule's row if it has one.
fn look(row: &SqlRow<'_>) -> rusqlite::Result<(String, Option<Row>)> {
    let rule_id = shown(row.get_ref(0)?);
    if matches!(row.get_ref(1)?, ValueRef::Null) {
        return Ok((rule_id, None));
    }
    let json = match row.get_ref(4)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
    };
    let (status, resume_gap) = (shown(row.get_ref(3)?), shown(row.get_ref(5)?));
    Ok((rule_id.clone(), Some(Row::new(rule_id, row.get(2)?, status, resume_gap, json))))
}

fn inode(path: &Path) -> Result<u64, SourceError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| SourceError::Open { path: path.to_owned(), source })?;
    Ok(metadata.ino())
}
