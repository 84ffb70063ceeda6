//! The users' side: publish, pause, retire, roll back.
//!
//! **Invariant**: every write depends on the row as read in the same transaction, so it never undoes a
//! concurrent change.

use std::path::{Path, PathBuf};

use operators::document::lifecycle::{Gap, Status};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, types::ValueRef};

use super::{failed, open, shown};
use crate::{
    SourceError,
    rules::{Published, RuleStore, StoredRule, store::id_of},
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
    /// Author of the publish, if recorded.
    pub author: Option<String>,
    /// Time of the publish, RFC 3339.
    pub at: String,
}

const NEXT: &str = "(SELECT 1 + coalesce(max(version), 0) FROM rule_version WHERE rule_id = ?1)";

impl SqliteStore {
    /// Opens the file; creates it and its tables if they do not exist.
    ///
    /// # Errors
    /// If it is no SQLite file, cannot be written, or was written by a later release.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Ok(SqliteStore { path: path.to_owned(), connection: open(path)? })
    }

    /// The versions of a rule, oldest first; also of a deleted one.
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

    /// Switches a rule between online and paused; a rule of another status is an error.
    fn switch(&mut self, rule_id: &str, to: Status, gap: Gap) -> Result<(), SourceError> {
        let before = self.try_switch(rule_id, to, gap).map_err(|source| failed(&self.path, source))?;
        let before = before.ok_or_else(|| self.no_such_rule(rule_id))?;
        if before == Status::Online.as_str() || before == Status::Paused.as_str() {
            return Ok(());
        }
        let reason = format!("is {before}; publish it to bring it online");
        Err(SourceError::Conflict { rule_id: rule_id.to_owned(), reason })
    }

    /// Sets the status of a rule that is online or paused; returns its former status, `None` if there is no
    /// such rule.
    fn try_switch(&mut self, rule_id: &str, to: Status, gap: Gap) -> rusqlite::Result<Option<String>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let before = "SELECT status FROM rule_engine_resource WHERE rule_id = ?1";
        let before = transaction.query_row(before, [rule_id], |row| row.get_ref(0).map(shown)).optional()?;
        transaction.execute(
            "UPDATE rule_engine_resource SET status = ?2, resume_gap = ?3
             WHERE rule_id = ?1 AND status IN ('online', 'paused') AND status <> ?2",
            params![rule_id, to.as_str(), gap.as_str()],
        )?;
        transaction.commit()?;
        Ok(before)
    }

    /// Publishes a document as the next version; without a status the row keeps its own, and has to exist.
    fn put(
        &mut self,
        rule_id: &str,
        document: &str,
        author: Option<&str>,
        status: Option<Status>,
    ) -> Result<Published, SourceError> {
        let put = self.try_put(rule_id, document, author, status);
        put.map_err(|source| failed(&self.path, source))?.ok_or_else(|| self.no_such_rule(rule_id))
    }

    fn try_put(
        &mut self,
        rule_id: &str,
        document: &str,
        author: Option<&str>,
        status: Option<Status>,
    ) -> rusqlite::Result<Option<Published>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let there = "SELECT 1 FROM rule_engine_resource WHERE rule_id = ?1";
        let new = transaction.query_row(there, [rule_id], |_| Ok(())).optional()?.is_none();
        if new && status.is_none() {
            return Ok(None);
        }
        transaction.execute(
            &format!(
                "INSERT INTO rule_engine_resource (rule_id, version, rule_json, status, author)
                 VALUES (?1, {NEXT}, ?2, coalesce(?3, 'online'), ?4)
                 ON CONFLICT (rule_id) DO UPDATE SET version = excluded.version, rule_json = excluded.rule_json,
                 status = coalesce(?3, status), resume_gap = 'replay', author = coalesce(excluded.author, author),
                 live_cut = NULL"
            ),
            params![rule_id, document, status.map(Status::as_str), author],
        )?;
        let query = "SELECT version FROM rule_engine_resource WHERE rule_id = ?1";
        let version = transaction.query_row(query, [rule_id], |row| row.get(0))?;
        transaction.commit()?;
        let origin = format!("rule_engine_resource {rule_id}");
        Ok(Some(Published { rule_id: rule_id.to_owned(), version, new, origin }))
    }
}

impl RuleStore for SqliteStore {
    fn publish(&mut self, document: &str, author: &str) -> Result<Published, SourceError> {
        let rule_id = id_of(document)?;
        let author = Some(author).filter(|author| !author.is_empty());
        self.put(&rule_id, document, author, Some(Status::Online))
    }

    fn pause(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.switch(rule_id, Status::Paused, Gap::Replay)
    }

    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError> {
        self.switch(rule_id, Status::Online, gap)
    }

    fn retire(&mut self, rule_id: &str) -> Result<(), SourceError> {
        let changed = self
            .connection
            .execute(
                "UPDATE rule_engine_resource SET status = 'retired', resume_gap = 'replay'
                 WHERE rule_id = ?1 AND status IS NOT 'retired'",
                [rule_id],
            )
            .map_err(|source| failed(&self.path, source))?;
        if changed == 0 { self.show(rule_id).map(drop) } else { Ok(()) }
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
        self.put(rule_id, &document, None, None)
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
    // A rule whose id is no text can't be changed.
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        /// Another connection's transaction, while it is open.
        static OTHER: RefCell<Option<Connection>> = const { RefCell::new(None) };
    }

    /// Commits that transaction as soon as the store waits for it.
    fn give_way(_: i32) -> bool {
        let other = OTHER.with_borrow_mut(Option::take);
        other.is_some_and(|other| other.execute_batch("COMMIT").is_ok())
    }

    #[test]
    fn what_others_do_meanwhile_is_not_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.db");
        let mut store = SqliteStore::open(&path).unwrap();
        store.connection.busy_handler(Some(give_way)).unwrap();
        let document = r#"{"rule_id":"a"}"#;
        type Act<'a> = &'a dyn Fn(&mut SqliteStore) -> Result<(), SourceError>;
        let rollback: Act<'_> = &|store| store.rollback("a", 1).map(drop);
        let resume: Act<'_> = &|store| store.resume("a", Gap::Replay);
        for (before, meanwhile, act) in [
            ("online", "paused", rollback),
            ("paused", "retired", rollback),
            ("paused", "retired", resume),
            ("online", "retired", &|store| store.pause("a")),
        ] {
            store.publish(document, "").unwrap();
            let other = Connection::open(&path).unwrap();
            let set = |status| format!("UPDATE rule_engine_resource SET status = '{status}';");
            other.execute_batch(&format!("{} BEGIN IMMEDIATE; {}", set(before), set(meanwhile))).unwrap();
            OTHER.set(Some(other));
            let done = act(&mut store);
            assert!(OTHER.with_borrow(Option::is_none), "it was waited for");
            assert_eq!(store.show("a").unwrap().status, meanwhile);
            assert!(done.is_ok() || done.unwrap_err().to_string().contains("is retired; publish it"));
        }
    }
}
