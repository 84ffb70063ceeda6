//! Checkpoints in an SQLite file, the embedded default: no server, one machine.
//!
//! Any number of processes of the machine have the file open at once (WAL); a write waits up to 5 s for
//! another. Leases follow the time since the machine was started, which nobody sets. Changes of hashes are not synced by themselves, the next
//! commit syncs everything before it; all other writes are on the disk when their call returns.
//!
//! **Limits**: a local disk, no network file system. The file does not shrink; freed space is used again.
//!
//! - `store`: the calls as SQL
//! - `clock`: the clock of the leases
//! - `edits`: the stream of edits

mod clock;
mod edits;
mod store;

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use super::{CheckpointError, CheckpointSpan, FieldChange};
use crate::private;

/// Schema version that this release writes.
const SCHEMA: i64 = 4;
/// Longest wait of a call for another process's write.
const BUSY: Duration = Duration::from_secs(5);
/// Fields read per query.
const PORTION: usize = 1000;

/// Checkpoint store in an SQLite file.
#[derive(Debug)]
pub struct SqliteCheckpoints {
    path: PathBuf,
    connection: Connection,
    /// Device and inode of the file.
    file: Option<(u64, u64)>,
}

/// Device and inode of the file at a path; `None` if there is none.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

impl SqliteCheckpoints {
    /// Opens the file; creates it and its tables if they do not exist.
    ///
    /// # Errors
    /// [`CheckpointError::Schema`] for a file of a later release, [`CheckpointError::Sqlite`] if it is no
    /// SQLite file or can't be written.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let mut connection = prepare(path).map_err(|source| failed(path, source))?;
        let found = create(&mut connection).map_err(|source| failed(path, source))?;
        if found > SCHEMA {
            return Err(CheckpointError::Schema { path: path.to_owned(), found, known: SCHEMA });
        }
        Ok(SqliteCheckpoints { path: path.to_owned(), connection, file: file_at(path) })
    }

    /// Checks that the file is still the one that was opened: what is written to a deleted file is lost.
    fn check_file(&self) -> Result<(), CheckpointError> {
        if file_at(&self.path) == self.file {
            return Ok(());
        }
        Err(CheckpointError::Emptied { place: self.path.display().to_string() })
    }

    /// Runs a read.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, CheckpointError> {
        read(&self.connection).map_err(|source| failed(&self.path, source))
    }

    /// Makes a change that is on the disk when this returns.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, CheckpointError> {
        self.transaction("FULL", change)
    }

    /// Makes a change that is on the disk when the next [`change`](Self::change) is.
    fn change_lazily<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, CheckpointError> {
        self.transaction("NORMAL", change)
    }

    fn transaction<T>(
        &mut self,
        synchronous: &str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, CheckpointError> {
        let changed = (|| {
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = change(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })();
        changed.map_err(|refusal| match refusal {
            Refusal::Sqlite(source) => failed(&self.path, source),
            Refusal::Other(error) => *error,
        })
    }
}

/// Why a change was not made.
enum Refusal {
    Sqlite(rusqlite::Error),
    Other(Box<CheckpointError>),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::Sqlite(error)
    }
}

impl From<CheckpointError> for Refusal {
    fn from(error: CheckpointError) -> Self {
        Refusal::Other(Box::new(error))
    }
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    private::create(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok(connection)
}

/// Migrations from schema 1 to 2, from 2 to 3, and so on. A lease of before schema 4 is over: its end was an instant of
/// the wall clock.
const MIGRATIONS: [&str; 3] = [
    "ALTER TABLE committed ADD COLUMN folded INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE hash ADD COLUMN n INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE committed ADD COLUMN start TEXT;",
];

/// Creates the tables, or migrates those of an earlier release. Returns the schema version.
fn create(connection: &mut Connection) -> rusqlite::Result<i64> {
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |r| r.get(0));
    let found: i64 = version(connection)?;
    if found >= SCHEMA {
        return Ok(found);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    match version(&transaction)? {
        0 => transaction.execute_batch(include_str!("schema.sql"))?,
        former if former < SCHEMA => {
            let done = usize::try_from(former - 1).unwrap_or_default();
            transaction.execute_batch(&MIGRATIONS[done..].concat())?;
        }
        found => return Ok(found),
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(SCHEMA)
}

fn failed(path: &Path, source: rusqlite::Error) -> CheckpointError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => {
            CheckpointError::Unavailable(format!("{}: {source}", path.display()))
        }
        _ => CheckpointError::Sqlite { path: path.to_owned(), source },
    }
}

/// A hash, and what changed it last.
struct HashRow {
    id: i64,
    generation: OwnerGeneration,
    /// First checkpoint of the last changes.
    number: CheckpointNumber,
}

fn find_hash(connection: &Connection, name: &str) -> rusqlite::Result<Option<HashRow>> {
    connection
        .prepare_cached("SELECT id, generation, n FROM hash WHERE name = ?1")?
        .query_row([name], |row| {
            let (generation, number) = (OwnerGeneration(row.get(1)?), CheckpointNumber(row.get(2)?));
            Ok(HashRow { id: row.get(0)?, generation, number })
        })
        .optional()
}

/// A hash; an error if a later generation has changed it.
fn own_hash(
    connection: &Connection,
    generation: OwnerGeneration,
    name: &str,
) -> Result<Option<HashRow>, Refusal> {
    match find_hash(connection, name)? {
        Some(HashRow { generation: by, .. }) if by > generation => {
            Err(CheckpointError::Fenced { generation, by }.into())
        }
        found => Ok(found),
    }
}

fn apply(
    connection: &Connection,
    (generation, span): (OwnerGeneration, CheckpointSpan),
    name: &str,
    changes: &[FieldChange<'_>],
) -> Result<(), Refusal> {
    if changes.is_empty() {
        return Ok(());
    }
    let found = own_hash(connection, generation, name)?;
    let known = found.filter(|found| found.generation == generation).map(|found| found.number);
    let known = known.unwrap_or_default();
    if known > span.last {
        return Ok(());
    }
    let id: i64 = connection
        .prepare_cached(
            "INSERT INTO hash (name, generation, n) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, n = excluded.n RETURNING id",
        )?
        .query_row((name, generation.0, known.max(span.first).0), |row| row.get(0))?;
    let mut set = connection.prepare_cached(
        "INSERT INTO field (hash, field, text) VALUES (?1, ?2, ?3)
         ON CONFLICT (hash, field) DO UPDATE SET text = excluded.text",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM field WHERE hash = ?1 AND field = ?2")?;
    for &(field, text) in changes {
        match text {
            Some(text) => set.execute((id, field, text))?,
            None => delete.execute((id, field))?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests;
