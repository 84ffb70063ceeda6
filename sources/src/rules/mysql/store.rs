//! The users' side: publish, pause, retire, roll back. Every change adds a row to `rule_audit`.
//!
//! A document that was written without the store and is about to be replaced is first kept as a version.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mysql_async::{Conn, Transaction, TxOpts, prelude::Queryable};
use operators::document::lifecycle::{Gap, Status};
use tokio::runtime::{Builder, Runtime};

use super::{
    connect::{ANSWER, Database, Failure, Fault, within},
    store_rows::{Listed, Stored, diff, insert_version, keep, listed, newest, rfc_3339, select, stored},
};
use crate::{
    SourceError,
    rules::{Published, RuleStore, StoredRule, Version, store::id_of},
};

/// Upper bound of attempts at a transaction that conflicts with others.
const ATTEMPTS: u32 = 10;
/// Errors after which a transaction is retried: duplicate key (a concurrent publish), lock timeout, deadlock.
const AGAIN: [u16; 3] = [1062, 1205, 1213];
/// Longest time of one transaction.
const WORK: Duration = Duration::from_secs(60);

/// Writes rules to MySQL or MariaDB. Its methods block; they must not be called from async code.
pub struct MysqlStore {
    database: Database,
    runtime: Runtime,
    conn: Mutex<Option<Conn>>,
}

/// Error of a transaction.
enum Trouble {
    Server(mysql_async::Error),
    Refused(SourceError),
}

impl From<mysql_async::Error> for Trouble {
    fn from(error: mysql_async::Error) -> Self {
        Trouble::Server(error)
    }
}

impl std::fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MysqlStore").field("database", &self.database.label).finish_non_exhaustive()
    }
}

impl MysqlStore {
    /// Connects. The tables have to exist: [`migrate`](super::migrate) creates them.
    ///
    /// # Errors
    /// If the URL can't be used, the server can't be reached, or the tables do not exist.
    pub fn open(url: &str) -> Result<Self, SourceError> {
        let database = Database::parse(url)?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| SourceError::Thread {
                name: database.label.clone(),
                what: format!("could not be started ({error})"),
            })?;
        let store = MysqlStore { database, runtime, conn: Mutex::new(None) };
        store.run(async |conn| Ok(conn.query_drop("SELECT 1 FROM rule_engine_resource LIMIT 0").await?))?;
        Ok(store)
    }

    /// The versions of a rule, oldest first; also of a deleted one.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn versions(&self, rule_id: &str) -> Result<Vec<Version>, SourceError> {
        let statement = format!(
            "SELECT version, author, {} FROM rule_version WHERE rule_id = ? ORDER BY version",
            rfc_3339("at")
        );
        let rows: Vec<(u64, Option<String>, String)> =
            self.run(async |conn| Ok(conn.exec(&statement, (rule_id,)).await?))?;
        Ok(rows.into_iter().map(|(version, author, at)| Version { version, author, at }).collect())
    }

    /// The document of one version.
    ///
    /// # Errors
    /// If there is no such rule or version, or the store cannot be read.
    pub fn document(&self, rule_id: &str, version: u64) -> Result<String, SourceError> {
        let statement = "SELECT rule_json FROM rule_version WHERE rule_id = ? AND version = ?";
        let found: Option<String> =
            self.run(async |conn| Ok(conn.exec_first(statement, (rule_id, version)).await?))?;
        if let Some(document) = found {
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
        SourceError::NoSuchRule { rule_id: rule_id.to_owned(), store: self.database.label.clone() }
    }

    /// Runs `work` on the connection, and again after conflicts with other transactions.
    fn run<T>(&self, work: impl AsyncFn(&mut Conn) -> Result<T, Trouble>) -> Result<T, SourceError> {
        let mut kept = self.conn.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |failure: Failure| failure.at(&self.database.label);
        self.runtime.block_on(async {
            let mut conn = self.connection(kept.take()).await.map_err(failed)?;
            let mut attempt = 0;
            loop {
                attempt += 1;
                let worked = tokio::time::timeout(WORK, work(&mut conn)).await;
                match worked.unwrap_or_else(|_| Err(Trouble::Refused(failed(too_slow())))) {
                    Ok(done) => {
                        *kept = Some(conn);
                        return Ok(done);
                    }
                    // The open transaction ends with the connection.
                    Err(Trouble::Refused(error)) => return Err(error),
                    Err(Trouble::Server(mysql_async::Error::Server(error)))
                        if AGAIN.contains(&error.code) && attempt < ATTEMPTS => {}
                    Err(Trouble::Server(error)) => return Err(failed(advise(error))),
                }
            }
        })
    }

    /// The open connection, if it still answers, or a new one.
    async fn connection(&self, kept: Option<Conn>) -> Result<Conn, Failure> {
        if let Some(mut conn) = kept
            && within(ANSWER, conn.ping()).await.is_ok()
        {
            return Ok(conn);
        }
        self.database.connect().await
    }

    /// Changes a rule's status in one transaction; `allowed` checks its former row.
    fn change_status(
        &self,
        rule_id: &str,
        action: &str,
        to: Status,
        gap: Gap,
        allowed: impl Fn(&Stored) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.run(async |conn| {
            let mut transaction = conn.start_transaction(TxOpts::default()).await?;
            let before = stored(&mut transaction, rule_id).await?;
            let before = before.ok_or_else(|| Trouble::Refused(self.no_such_rule(rule_id)))?;
            allowed(&before).map_err(Trouble::Refused)?;
            if before.status == to.as_str() {
                return Ok(transaction.rollback().await?);
            }
            let (status, resume_gap) = (to.as_str().to_owned(), gap.as_str().to_owned());
            let after = Stored { status, resume_gap, ..before.clone() };
            transaction
                .exec_drop(
                    "UPDATE rule_engine_resource SET status = ?, resume_gap = ? WHERE rule_id = ?",
                    (&after.status, &after.resume_gap, rule_id),
                )
                .await?;
            let change = Change { action, author: None, before: Some(&before), after: &after };
            change.audit(&mut transaction, rule_id).await?;
            Ok(transaction.commit().await?)
        })
    }

    /// Publishes a document as the next version.
    fn put(
        &self,
        rule_id: &str,
        document: &str,
        author: Option<&str>,
        status: Option<&str>,
        action: &str,
    ) -> Result<Published, SourceError> {
        self.run(async |conn| {
            let mut transaction = conn.start_transaction(TxOpts::default()).await?;
            let before = stored(&mut transaction, rule_id).await?;
            if let Some(before) = &before {
                keep(&mut transaction, rule_id, before).await?;
            }
            let version = newest(&mut transaction, rule_id).await? + 1;
            let after = Stored::following(before.as_ref(), version, document, author, status);
            insert_version(&mut transaction, rule_id, version, document, after.author.as_deref()).await?;
            let statement = if before.is_some() {
                "UPDATE rule_engine_resource SET version = ?, rule_json = ?, status = ?, author = ?,
                 resume_gap = 'replay', live_cut = NULL, publish_time = CURRENT_TIMESTAMP(3) WHERE rule_id = ?"
            } else {
                "INSERT INTO rule_engine_resource (version, rule_json, status, author, publish_time, rule_id)
                 VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP(3), ?)"
            };
            transaction
                .exec_drop(statement, (version, document, &after.status, &after.author, rule_id))
                .await?;
            let change = Change { action, author, before: before.as_ref(), after: &after };
            change.audit(&mut transaction, rule_id).await?;
            transaction.commit().await?;
            Ok(Published {
                rule_id: rule_id.to_owned(),
                version: Some(version),
                new: before.is_none(),
                origin: format!("rule_engine_resource {rule_id}"),
            })
        })
    }
}

/// A change of a stored rule.
struct Change<'c> {
    action: &'c str,
    /// Name of the person; `None` for the user of the database.
    author: Option<&'c str>,
    before: Option<&'c Stored>,
    after: &'c Stored,
}

impl Change<'_> {
    /// Records the change in the audit table.
    async fn audit(&self, transaction: &mut Transaction<'_>, rule_id: &str) -> Result<(), Trouble> {
        let Change { action, author, before, after } = self;
        let diff = diff(*before, after).to_string();
        let statement = "INSERT INTO rule_audit (rule_id, version, who, action, diff)
            VALUES (?, ?, COALESCE(?, CURRENT_USER()), ?, ?)";
        Ok(transaction.exec_drop(statement, (rule_id, after.version, author, action, diff)).await?)
    }
}

impl RuleStore for MysqlStore {
    fn publish(&mut self, document: &str, author: &str) -> Result<Published, SourceError> {
        let rule_id = id_of(document)?;
        let author = Some(author).filter(|author| !author.is_empty());
        self.put(&rule_id, document, author, Some(Status::Online.as_str()), "publish")
    }

    fn pause(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.change_status(rule_id, "pause", Status::Paused, Gap::Replay, |before| {
            can_switch(rule_id, before)
        })
    }

    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError> {
        self.change_status(rule_id, "resume", Status::Online, gap, |before| can_switch(rule_id, before))
    }

    fn retire(&mut self, rule_id: &str) -> Result<(), SourceError> {
        self.change_status(rule_id, "retire", Status::Retired, Gap::Replay, |_| Ok(()))
    }

    fn list(&self) -> Result<Vec<StoredRule>, SourceError> {
        let statement = select("ORDER BY r.rule_id", "NULL");
        let rows: Vec<Listed> = self.run(async |conn| Ok(conn.query(&statement).await?))?;
        Ok(rows.into_iter().map(listed).collect())
    }

    fn show(&self, rule_id: &str) -> Result<StoredRule, SourceError> {
        let statement = select("WHERE r.rule_id = ?", "r.rule_json");
        let row: Option<Listed> =
            self.run(async |conn| Ok(conn.exec_first(&statement, (rule_id,)).await?))?;
        row.map(listed).ok_or_else(|| self.no_such_rule(rule_id))
    }

    fn rollback(&mut self, rule_id: &str, version: u64) -> Result<Published, SourceError> {
        let document = self.document(rule_id, version)?;
        // A deleted rule can be published, not rolled back.
        self.show(rule_id)?;
        self.put(rule_id, &document, None, None, "rollback")
    }
}

/// Returns an error unless the rule is online or paused, so that it can be paused or resumed.
fn can_switch(rule_id: &str, before: &Stored) -> Result<(), SourceError> {
    let status = &before.status;
    if status == Status::Online.as_str() || status == Status::Paused.as_str() {
        return Ok(());
    }
    let reason = format!("is {status}; publish it to bring it online");
    Err(SourceError::Conflict { rule_id: rule_id.to_owned(), reason })
}

fn too_slow() -> Failure {
    Failure::Away(format!("no answer within {} s", WORK.as_secs()))
}

/// Converts an error, with a remedy where there is one.
fn advise(error: mysql_async::Error) -> Failure {
    match &error {
        mysql_async::Error::Server(server) => {
            let message = format!("{} ({})", server.message, server.code);
            match server.code {
                1146 => Failure::Refused(Fault::new(message, "apply the migrations")),
                1153 => Failure::Refused(Fault::new(
                    message,
                    "raise max_allowed_packet under [mysqld] in my.cnf, or give large crowds as a profile query",
                )),
                1406 => Failure::Refused(Fault::new(message, "write less: 128 characters hold an author")),
                _ => error.into(),
            }
        }
        _ => error.into(),
    }
}
