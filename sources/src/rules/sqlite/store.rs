//! The side of people: publish, pause, retire, roll back.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, types::ValueRef};

use super::{failed, open, shown};
use crate::{
    SourceError,
    rules::{Gap, Published, RuleStore, Status, StoredRule, store::id_of},
};

/// Writes rules to an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

/// A version of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// Who published it, if known.
    pub author: Option<String>,
    /// When, RFC 3339.
    pub at: String,
}

const NEXT: &str = "(SELECT 1 + coalesce(max(version), 0) FROM rule_version WHERE rule_id = ?1)";

impl SqliteStore {
    /// Opens the file, and makes it and its tables if they are not there.
    ///
    /// # Errors
    /// If it is no SQLite file, cannot be written, or is of a later release.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Ok(SqliteStore { path: path.to_owned(), connection: open(path)? })
    }

    /// Sets a rule's status, whatever it was.
    ///
    /// # Errors
    /// If there is no such rule or the store cannot be written.
    pub fn set_status(&mut self, rule_id: &str, status: Status) -> Result<(), SourceError> {
        self.set(rule_id, status, Gap::Replay)
    }

    fn set(&mut self, rule_id: &str, status: Status, gap: Gap) -> Result<(), SourceError> {
        let changed = self
            .connection
            .execute(
                "UPDATE rule_engine_resource SET status = ?2, resume_gap = ?3 WHERE rule_id = ?1 AND status IS NOT ?2",
                params![rule_id, status.as_str(), gap.as_str()],
            )
            .map_err(|source| failed(&self.path, source))?;
        if changed == 0 { self.show(rule_id).map(drop) } else { Ok(()) }
    }

    /// The versions of a rule, oldest first; also of one that is deleted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn versions(&self, rule_id: &str) -> Result<Vec<Version>, SourceError> {
        self.connection
            .prepare("SELECT version, author, at FROM rule_version WHERE rule_id = ?1 ORDER BY version")
            .and_then(|mut statement| {
                let rows = statement.query_map([rule_id], |row| {
                    Ok(Version { version: row.get(0)?, author: row.get(1)?, at: row.get(2)? })
                })?;
                rows.collect()
            })
            .map_err(|source| failed(&self.path, source))
    }

    /// The document of one version.
    ///
    /// # Errors
    /// If there is no such rule or version, or the store cannot be read.
    pub fn document(&self, rule_id: &str, version: u64) -> Result<String, SourceError> {
        let found = self.connection.query_row(
            "SELECT CAST(rule_json AS TEXT) FROM rule_version WHERE rule_id = ?1 AND version = ?2",
            params![rule_id, i64::try_from(version).unwrap_or(-1)],
            |row| row.get(0),
        );
        if let Some(document) = found.optional().map_err(|source| failed(&self.path, source))? {
            return Ok(document);
        }
        let versions = self.versions(rule_id)?;
        let (Some(first), Some(last)) = (versions.first(), versions.last()) else {
            return Err(self.no_such_rule(rule_id));
        };
        let known = format!("{} to {}", first.version, last.version);
        Err(SourceError::NoSuchVersion { rule_id: rule_id.to_owned(), version, known })
    }

    fn no_such_rule(&self, rule_id: &str) -> SourceError {
        SourceError::NoSuchRule { rule_id: rule_id.to_owned(), store: self.path.display().to_string() }
    }

    /// Pausing and resuming are for rules that are online or paused.
    fn switch(&mut self, rule_id: &str, to: Status, gap: Gap) -> Result<(), SourceError> {
        let status = self.show(rule_id)?.status;
        if status != Status::Online.as_str() && status != Status::Paused.as_str() {
            let reason = format!("is {status}; publish it to bring it online");
            return Err(SourceError::Conflict { rule_id: rule_id.to_owned(), reason });
        }
        self.set(rule_id, to, gap)
    }

    fn put(
        &mut self,
        rule_id: &str,
        document: &str,
        author: Option<&str>,
        status: &str,
    ) -> rusqlite::Result<Published> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let there = "SELECT 1 FROM rule_engine_resource WHERE rule_id = ?1";
        let new = transaction.query_row(there, [rule_id], |_| Ok(())).optional()?.is_none();
        transaction.execute(
            &format!(
                "INSERT INTO rule_engine_resource (rule_id, version, rule_json, status, author)
                 VALUES (?1, {NEXT}, ?2, ?3, ?4)
                 ON CONFLICT (rule_id) DO UPDATE SET version = excluded.version, rule_json = excluded.rule_json,
                 status = excluded.status, author = coalesce(excluded.author, author), live_cut = NULL"
            ),
            params![rule_id, document, status, author],
        )?;
        let query = "SELECT version FROM rule_engine_resource WHERE rule_id = ?1";
        let version = transaction.query_row(query, [rule_id], |row| row.get(0))?;
        transaction.commit()?;
        let origin = format!("rule_engine_resource {rule_id}");
        Ok(Published { rule_id: rule_id.to_owned(), version, new, origin })
    }
}

impl RuleStore for SqliteStore {
    fn publish(&mut self, document: &str, author: &str) -> Result<Published, SourceError> {
        let rule_id = id_of(document)?;
        let author = Some(author).filter(|author| !author.is_empty());
        self.put(&rule_id, document, author, "online").map_err(|source| failed(&self.path, source))
    }

    fn pause(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.switch(rule_id, Status::Paused, Gap::Replay)
    }

    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError> {
        self.switch(rule_id, Status::Online, gap)
    }

    fn retire(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.set_status(rule_id, Status::Retired)
    }

    fn list(&self) -> Result<Vec<StoredRule>, SourceError> {
        self.connection
            .prepare(&format!("{} ORDER BY r.rule_id", select("NULL")))
            .and_then(|mut statement| statement.query_map([], stored)?.collect())
            .map_err(|source| failed(&self.path, source))
    }

    fn show(&self, rule_id: &str) -> Result<StoredRule, SourceError> {
        self.connection
            .query_row(
                &format!("{} WHERE r.rule_id = ?1", select("CAST(r.rule_json AS TEXT)")),
                [rule_id],
                stored,
            )
            .optional()
            .map_err(|source| failed(&self.path, source))?
            .ok_or_else(|| self.no_such_rule(rule_id))
    }

    fn rollback(&mut self, rule_id: &str, version: u64) -> Result<Published, SourceError> {
        let document = self.document(rule_id, version)?;
        let status = self.show(rule_id)?.status;
        self.put(rule_id, &document, None, &status).map_err(|source| failed(&self.path, source))
    }
}

fn select(document: &str) -> String {
    format!(
        "SELECT r.rule_id, r.version, r.status, r.author, r.update_time, s.state, s.detail, {document}
         FROM rule_engine_resource r
         LEFT JOIN rule_status s ON s.rule_id = r.rule_id AND s.version = r.version"
    )
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRule> {
    let text = |column: usize| -> rusqlite::Result<Option<String>> {
        let value = row.get_ref(column)?;
        Ok((value != ValueRef::Null).then(|| shown(value)))
    };
    let rule_id = shown(row.get_ref(0)?);
    // Nothing can be done to a rule that can't be named.
    let named = matches!(row.get_ref(0)?, ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_ok());
    let status = if named { shown(row.get_ref(2)?) } else { "unreadable".to_owned() };
    Ok(StoredRule {
        origin: format!("rule_engine_resource {rule_id}"),
        rule_id,
        version: row.get(1)?,
        status,
        author: text(3)?,
        updated: text(4)?,
        state: text(5)?.zip(text(6)?),
        document: text(7)?,
    })
}
