//! Rules from an SQLite file, the embedded counterpart of MySQL, with the same tables and columns; rules can
//! be changed with plain SQL.
//!
//! [`SqliteRules`] is the engine's side: it polls the change log that database triggers maintain, and writes
//! the state of each rule. [`SqliteStore`] is the users' side: publish, pause, roll back. Both may be open at
//! once, in any number of processes of one machine (WAL).
//!
//! - `source`: the engine's side
//! - `store`: the users' side
//! - `mark`: the mark of the state

mod mark;
mod source;
mod store;

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

pub use mark::SqliteMark;
use rusqlite::{Connection, TransactionBehavior, types::ValueRef};
pub use source::SqliteRules;
pub use store::{SqliteStore, Version};

use crate::SourceError;

/// The schema version that this release writes.
const SCHEMA: i64 = 2;
/// Longest time that a write waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// Opens the file; creates it and its tables if they do not exist.
fn open(path: &Path) -> Result<Connection, SourceError> {
    let mut connection = prepare(path).map_err(|source| failed(path, source))?;
    let found = version(&connection).map_err(|source| failed(path, source))?;
    if found > SCHEMA {
        return Err(SourceError::Schema { path: path.to_owned(), found, known: SCHEMA });
    }
    if found < SCHEMA {
        create(&mut connection).map_err(|source| failed(path, source))?;
    }
    Ok(connection)
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    // SQLite gives the files beside it the same mode. Whether it could be made shows when it is opened.
    let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The schema's triggers are correct only without recursion.
    connection.pragma_update(None, "recursive_triggers", false)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)? == 1 {
        transaction.execute_batch(
            "ALTER TABLE rule_engine_resource ADD COLUMN resume_gap TEXT NOT NULL DEFAULT 'replay'",
        )?;
    }
    transaction.execute_batch(include_str!("schema.sql"))?;
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()
}

/// A column's value as text, whatever its type: one invalid row must not keep the others from being read. A
/// blob is not taken for text; it is shown as an SQL literal.
fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => {
            format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
    }
}

fn failed(path: &Path, source: rusqlite::Error) -> SourceError {
    SourceError::Sqlite { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
