//! The engine's side: changes out of the log, states into `rule_status`, cuts into `live_cut`, which the log does not mention.
//!
//! A poll first asks SQLite whether anybody wrote at all (`data_version`), then reads the log from where it stood and
//! the rows it names, in one transaction. Where the log does not continue (cut, or put back to an
//! earlier state), all rows are read and compared with what was passed on: no change is lost or made up.
//!
//! `online`, `paused` and `retired` rows are passed on; `draft` and `in_review` ones are not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use operators::{
    document::lifecycle::{Gap, RunState, Status},
    model::ids::Positions,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, types::ValueRef};

use super::{failed, open, shown};
use crate::{
    SourceError,
    rules::{Change, MAX_DOCUMENT, RuleChange, RuleSource, document, offsets_json},
};

/// Changes kept in the log.
const LOG: i64 = 100_000;
/// The log may grow by this much before it is cut.
const LOG_SLACK: i64 = 10_000;

const ROWS: &str =
    "SELECT rule_id, rule_id, version, status, rule_json, resume_gap FROM rule_engine_resource";
/// The rules that the log names behind an entry, each with its row if it has one.
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
    /// The last entry of the log that has been passed on.
    at: Entry,
    known: BTreeMap<String, Known>,
}

/// A place in the log; the same only if it says the same, so that a log that was put back and went on is noticed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    seq: i64,
    /// Rule and time, if it is still there.
    says: Option<(String, String)>,
}

/// A row as last passed on.
#[derive(Debug)]
struct Known {
    mark: u128,
    /// Whether a document of it is in force.
    in_force: bool,
}

/// What a row says.
struct Seen {
    mark: u128,
    /// `None` for a row that is not to run yet.
    change: Option<Change>,
}

impl SqliteRules {
    /// Opens the file, and makes it and its tables if they are not there.
    ///
    /// # Errors
    /// If it is no SQLite file, cannot be written, or is of a later release.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let connection = open(path)?;
        let inode = inode(path)?;
        Ok(SqliteRules {
            path: path.to_owned(),
            connection,
            inode,
            data_version: None,
            at: Entry::default(),
            known: BTreeMap::new(),
        })
    }

    /// Refuses a file that was put in the place of the open one: SQLite would mix the two.
    fn check_same_file(&self) -> Result<(), SourceError> {
        if inode(&self.path)? == self.inode {
            Ok(())
        } else {
            Err(SourceError::Replaced { path: self.path.clone() })
        }
    }

    fn changes(&mut self) -> rusqlite::Result<Vec<RuleChange>> {
        // Read before the rows: a commit in between is seen again, not lost.
        let data_version: i64 = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.data_version == Some(data_version) {
            return Ok(Vec::new());
        }
        let transaction = self.connection.transaction()?;
        let continues = self.data_version.is_some() && continues(&transaction, &self.at)?;
        let (rows, touched) =
            if continues { logged(&transaction, self.at.seq)? } else { all(&transaction, &self.known)? };
        let (first, last): (i64, i64) = transaction.query_row(
            "SELECT coalesce((SELECT min(seq) FROM rule_change), ?1),
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'rule_change'), 0)",
            [i64::MAX],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let at = entry(&transaction, last)?;
        transaction.commit()?;
        (self.data_version, self.at) = (Some(data_version), at);
        let changes = self.differences(rows, touched);
        // What is known and what is passed on must agree: a log that cannot be cut now is cut another time.
        if last.saturating_sub(first) >= LOG + LOG_SLACK
            && let Err(error) =
                self.connection.execute("DELETE FROM rule_change WHERE seq <= ?1", [last - LOG])
        {
            tracing::warn!(%error, path = %self.path.display(), "the log of rule changes could not be cut");
        }
        Ok(changes)
    }

    /// What the rows say against what is known; a touched rule without a row is gone.
    fn differences(
        &mut self,
        mut rows: BTreeMap<String, Seen>,
        touched: BTreeSet<String>,
    ) -> Vec<RuleChange> {
        let (mut removed, mut put, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for rule_id in touched {
            let before = self.known.get(&rule_id);
            let was_in_force = before.is_some_and(|known| known.in_force);
            let seen = rows.remove(&rule_id);
            if let (Some(seen), Some(known)) = (&seen, before)
                && seen.mark == known.mark
            {
                continue;
            }
            let mark = seen.as_ref().map(|seen| seen.mark);
            let change = seen.and_then(|seen| seen.change);
            let in_force = match change {
                None => false,
                Some(Change::Unreadable { .. }) => was_in_force,
                Some(_) => true,
            };
            match mark {
                None => self.known.remove(&rule_id),
                Some(mark) => self.known.insert(rule_id.clone(), Known { mark, in_force }),
            };
            let (list, change) = match change {
                None if was_in_force => (&mut removed, Change::Remove),
                None => continue,
                Some(change @ Change::Unreadable { .. }) => (&mut unreadable, change),
                Some(change) => (&mut put, change),
            };
            let origin = format!("rule_engine_resource {rule_id}");
            list.push(RuleChange { origin, rule_id: Some(rule_id), change });
        }
        removed.append(&mut put);
        removed.append(&mut unreadable);
        removed
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
        // A row that has gone on to another version meanwhile gets that one's cut.
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

/// Whether the log says all that happened since.
fn continues(transaction: &Transaction<'_>, at: &Entry) -> rusqlite::Result<bool> {
    let first: Option<i64> =
        transaction.query_row("SELECT min(seq) FROM rule_change", [], |row| row.get(0))?;
    // Where the entry itself is gone, the next one has to be the first.
    Ok(entry(transaction, at.seq)? == *at && (at.says.is_some() || first == Some(at.seq + 1)))
}

type Rows = (BTreeMap<String, Seen>, BTreeSet<String>);

/// The rules the log names after `seq`, with their rows.
fn logged(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<Rows> {
    let mut statement = transaction.prepare_cached(LOGGED)?;
    let looked: BTreeMap<String, Option<Seen>> =
        statement.query_map([seq], look)?.collect::<Result<_, _>>()?;
    let touched = looked.keys().cloned().collect();
    Ok((looked.into_iter().filter_map(|(rule_id, seen)| Some((rule_id, seen?))).collect(), touched))
}

/// All rows; every rule that has one, or is known, counts as touched.
fn all(transaction: &Transaction<'_>, known: &BTreeMap<String, Known>) -> rusqlite::Result<Rows> {
    let looked: BTreeMap<String, Option<Seen>> =
        transaction.prepare(ROWS)?.query_map([], look)?.collect::<Result<_, _>>()?;
    let touched = looked.keys().chain(known.keys()).cloned().collect();
    Ok((looked.into_iter().filter_map(|(rule_id, seen)| Some((rule_id, seen?))).collect(), touched))
}

/// A rule, and its row if it has one.
fn look(row: &Row<'_>) -> rusqlite::Result<(String, Option<Seen>)> {
    let rule_id = shown(row.get_ref(0)?);
    if matches!(row.get_ref(1)?, ValueRef::Null) {
        return Ok((rule_id, None));
    }
    let version: Option<u64> = row.get(2)?;
    let status = shown(row.get_ref(3)?);
    let bytes = match row.get_ref(4)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => b"",
    };
    let gap_name = shown(row.get_ref(5)?);
    let head = format!("{version:?} {status} {gap_name} ");
    let mark = document::digest(&[head.as_bytes(), &document::digest(bytes).to_le_bytes()].concat());
    let gap = Gap::parse(&gap_name);
    let read = |rule_id: &str, bytes: &[u8], status, version| match gap {
        Some(gap) => read(rule_id, bytes, status, version, gap),
        None => Change::Unreadable { reason: format!("`resume_gap` is {gap_name:?}; write replay or skip") },
    };
    let change = match status.as_str() {
        "draft" | "in_review" => None,
        "online" => Some(read(&rule_id, bytes, Status::Online, version)),
        "paused" => Some(read(&rule_id, bytes, Status::Paused, version)),
        "retired" => Some(read(&rule_id, bytes, Status::Retired, version)),
        other => Some(Change::Unreadable {
            reason: format!("`status` is {other:?}; write draft, in_review, online, paused or retired"),
        }),
    };
    Ok((rule_id, Some(Seen { mark, change })))
}

fn read(rule_id: &str, bytes: &[u8], status: Status, version: Option<u64>, gap: Gap) -> Change {
    let document = if bytes.len() as u64 > MAX_DOCUMENT {
        Err(format!("`rule_json` is longer than {MAX_DOCUMENT} bytes; give large crowds as a profile query"))
    } else {
        String::from_utf8(bytes.to_vec()).map_err(|_| "`rule_json` is not UTF-8".to_owned())
    };
    let checked = document.and_then(|document| match document::rule_id(&document)? {
        id if id == rule_id => Ok(document),
        id => {
            Err(format!("`rule_json` is of rule `{id}`, its row of `{rule_id}`; write the same id in both"))
        }
    });
    match checked {
        Ok(document) => Change::Put { document, status, version, gap },
        Err(reason) => Change::Unreadable { reason },
    }
}

fn inode(path: &Path) -> Result<u64, SourceError> {
    let metadata =
        std::fs::metadata(path).map_err(|source| SourceError::Open { path: path.to_owned(), source })?;
    Ok(metadata.ino())
}
