//! What keeps a source from reading, and what to do about it.

use std::{io, path::PathBuf};

/// A source or store that cannot do what was asked. Broken records and rule documents are not errors but data.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder that cannot be opened.
    #[error("cannot open {}: {source}; give a path that exists and that this user may read", path.display())]
    Open {
        /// What was to be opened.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// Reading stopped in the middle.
    #[error(
        "reading {name} failed after {done} bytes: {source}; check the disk or the process at the other end, then start again"
    )]
    Read {
        /// The file or stream.
        name: String,
        /// Bytes taken before.
        done: u64,
        /// Why it stopped.
        source: io::Error,
    },
    /// A thread that reads ahead could not be started, or died.
    #[error("the thread that reads {name} {what}; start again, and report it if it happens again")]
    Thread {
        /// The stream it reads.
        name: String,
        /// What became of it.
        what: String,
    },
    /// A folder of rules that cannot be listed. The rules read before stay in force.
    #[error("cannot list the rules folder {}: {source}; create it or give another path", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be listed.
        source: io::Error,
    },
    /// A rule file that cannot be written, renamed or deleted.
    #[error("cannot {what} {}: {source}; check the permissions of the folder and the free space", path.display())]
    Write {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The SQLite store refused a statement.
    #[error("rule store {}: {source}; check that it is an SQLite file of strateye, writable and on a local disk", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The SQLite store was written by a later release.
    #[error("rule store {} has schema {found}, this release knows up to {known}; use the release that made it or a newer one", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest one this release reads.
        known: i64,
    },
    /// The MySQL or MariaDB store can't be read or written, or not in a way that loses nothing.
    #[error("rule store {store}: {reason}; {remedy}")]
    Mysql {
        /// Where it is; never with user or password.
        store: String,
        /// What is wrong.
        reason: String,
        /// What would be right.
        remedy: String,
    },
    /// The SQLite file is another one than the one opened.
    #[error("rule store {} was replaced while it was open; stop strateye, put the file in place together with its -wal file, or without one, and start again", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// A document that is no rule.
    #[error("not a rule: {reason}")]
    Document {
        /// Why, and what would be right.
        reason: String,
    },
    /// A rule the store does not have.
    #[error("no rule `{rule_id}` in {store}; `strateye rule list` shows what there is")]
    NoSuchRule {
        /// The id asked for.
        rule_id: String,
        /// Where it was looked for.
        store: String,
    },
    /// A version the store does not have.
    #[error("rule `{rule_id}` has no version {version}; it has {known}")]
    NoSuchVersion {
        /// The rule.
        rule_id: String,
        /// The version asked for.
        version: u64,
        /// The versions there are, in words.
        known: String,
    },
    /// Something the rule's present state does not allow.
    #[error("rule `{rule_id}` {reason}")]
    Conflict {
        /// The rule.
        rule_id: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A line of a profile file that is no profile.
    #[error("{} line {line}: {reason}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Why, and what would be right.
        reason: String,
    },
    /// A setting that cannot be used.
    #[error("`{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Why, and what would be right.
        reason: String,
    },
    /// Events can't be read from Kafka.
    #[error(transparent)]
    Kafka(#[from] crate::events::kafka::KafkaError),
}
