//! Sources of rules: what changed in the set of published documents.
//!
//! | source | a rule is | for |
//! | --- | --- | --- |
//! | [`FolderRules`] | a file | replay, version control, the quickest start |
//! | [`SqliteRules`] | a row of `rule_engine_resource` | the embedded default: versions, review, status |
//! | [`MysqlRules`] | a row of `rule_engine_resource` | the same in MySQL or MariaDB, followed by the binlog |
//!
//! Each has a [`RuleStore`] beside it, through which the CLI and the console publish. Documents are passed on as they
//! are: only `rule_id` is looked at here.
//!
//! **Invariant**: a document that cannot be read changes nothing. The one read before stays in force until the
//! document is mended, removed or retired.

mod book;
mod document;
mod folder;
mod folder_store;
mod listing;
mod mysql;
mod row;
mod sqlite;
mod store;

pub use folder::FolderRules;
pub use folder_store::FolderStore;
pub use mysql::{MysqlConfig, MysqlRules, MysqlStore, migrate as migrate_mysql};
pub use sqlite::{SqliteRules, SqliteStore, Version};
pub use store::{Published, RuleStore, StoredRule};

use operators::{
    document::lifecycle::{Gap, RunState, Status},
    model::ids::Positions,
};

use crate::SourceError;

/// Something that yields rule documents.
pub trait RuleSource: Send {
    /// What changed since the last poll; the first poll yields everything there is.
    ///
    /// Several changes of one rule between two polls are one change. Removals come first, then documents, then what
    /// is unreadable.
    ///
    /// # Errors
    /// When the folder or store cannot be read. Nothing is lost: the next poll that succeeds yields it.
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError>;

    /// Notes what became of a version of a rule, for people to read; `version` is 0 if it is not known. A source that
    /// has no place for it ignores it.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn write_status(
        &mut self,
        rule_id: &str,
        version: u64,
        state: RunState,
        detail: &str,
    ) -> Result<(), SourceError> {
        let _ = (rule_id, version, state, detail);
        Ok(())
    }

    /// Notes from which offsets on a version of a rule holds as it stands, for people to read. A source that has no place for it
    /// ignores it.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn write_live_cut(&mut self, rule_id: &str, version: u64, cut: &Positions) -> Result<(), SourceError> {
        let _ = (rule_id, version, cut);
        Ok(())
    }
}

/// As they are stored: `{"PARTITION": OFFSET, ..}`.
fn offsets_json(offsets: &Positions) -> String {
    serde_json::json!(offsets.as_map()).to_string()
}

/// One rule's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// Where it comes from, for messages: a file's path, or `rule_engine_resource RULE_ID`.
    pub origin: String,
    /// The rule, as far as it can be told. What was unreadable without it is removed without it, once it is gone.
    pub rule_id: Option<String>,
    /// What became of it.
    pub change: Change,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there with this document and status; both may be as before.
    Put {
        /// The document as published.
        document: String,
        /// Its status.
        status: Status,
        /// Its version, where the store keeps versions.
        version: Option<u64>,
        /// What becomes of the events of its last pause.
        gap: Gap,
    },
    /// It is gone.
    Remove,
    /// Its document cannot be used; what was in force stays so.
    Unreadable {
        /// Why, and what would be right.
        reason: String,
    },
}

/// Longest document, bytes.
const MAX_DOCUMENT: u64 = 64 << 20;
