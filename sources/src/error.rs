//! Errors of sources and rule stores, with remedies.

use std::{io, path::PathBuf};

/// Error of a source or a rule store. Broken records and invalid rule documents are data, not errors.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder that cannot be opened.
    #[error("cannot open {}: {source}; give a path that exists and that this user may read", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A file cannot be sorted.
    #[error("cannot sort {}: {source}; make room in the folder for temporary files (TMPDIR), or replay it with --order file", path.display())]
    Sort {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Reading stopped before the end.
    #[error(
        "reading {name} failed after {done} bytes: {source}; check the disk or the process at the other end, then start again"
    )]
    Read {
        /// The file or stream.
        name: String,
        /// Bytes read before the error.
        done: u64,
        /// Error of the system.
        source: io::Error,
    },
    /// A thread that reads ahead could not be started, or ended unexpectedly.
    #[error("the thread that reads {name} {what}; start again, and report it if it happens again")]
    Thread {
        /// The stream that the thread reads.
        name: String,
        /// Fate of the thread, as a phrase.
        what: String,
    },
    /// A folder of rules cannot be listed. The rules read before stay in force.
    #[error("cannot list the rules folder {}: {source}; create it or give another path", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// A rule file cannot be written, renamed or deleted.
    #[error("cannot {what} {}: {source}; check the permissions of the folder and the free space", path.display())]
    Write {
        /// The action, as a verb: write, rename, delete.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// SQLite refused a statement.
    #[error("rule store {}: {source}; check that it is an SQLite file of strateye, writable and on a local disk", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Error of SQLite.
        source: rusqlite::Error,
    },
    /// The SQLite store was written by a later release.
    #[error("rule store {} has schema {found}, this release knows up to {known}; use the release that made it or a newer one", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest version this release reads.
        known: i64,
    },
    /// The MySQL or MariaDB store can't be read or written, or not without the risk of missing changes.
    #[error("rule store {store}: {reason}; {remedy}")]
    Mysql {
        /// Address of the server and the database; never with user or password.
        store: String,
        /// The fault.
        reason: String,
        /// Action that resolves it.
        remedy: String,
    },
    /// The server of a rule store is away; rules are read as soon as it is there.
    #[error("{store} does not answer: {reason}; check that it runs and that host and port are right")]
    Away {
        /// Address of the server and the database; never with user or password.
        store: String,
        /// The fault.
        reason: String,
    },
    /// The SQLite file was replaced by another one while it was open.
    #[error("rule store {} was replaced while it was open; stop strateye, put the file in place together with its -wal file, or without one, and start again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The document is no rule.
    #[error("not a rule: {reason}")]
    Document {
        /// The fault, and what to write instead.
        reason: String,
    },
    /// The store has no rule of this id.
    #[error("no rule `{rule_id}` in {store}; `strateye rule list` shows what there is")]
    NoSuchRule {
        /// The requested id.
        rule_id: String,
        /// The store that was searched.
        store: String,
    },
    /// The store has no such version of the rule.
    #[error("rule `{rule_id}` has no version {version}; it has {known}")]
    NoSuchVersion {
        /// The rule.
        rule_id: String,
        /// The requested version.
        version: u64,
        /// The existing versions, as text.
        known: String,
    },
    /// The rule's present state does not allow the action.
    #[error("rule `{rule_id}` {reason}")]
    Conflict {
        /// The rule.
        rule_id: String,
        /// The obstacle, and what to do.
        reason: String,
    },
    /// A line of a profile file is no profile.
    #[error("{} line {line}: {reason}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// A setting is invalid.
    #[error("`{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// Events can't be read from Kafka.
    #[error(transparent)]
    Kafka(#[from] crate::events::kafka::KafkaError),
}

impl SourceError {
    /// Whether the same call may succeed without intervention, once a server that is away has come back.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            SourceError::Away { .. }
                | SourceError::Kafka(crate::events::kafka::KafkaError::Unreachable { .. })
        )
    }
}
