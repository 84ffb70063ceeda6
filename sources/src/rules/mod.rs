//! Sources of rules: the changes in the set of published documents.
//!
//! | source | a rule is | for |
//! | --- | --- | --- |
//! | [`FolderRules`] | a file | replay, version control, the quickest start |
//! | [`SqliteRules`] | a row of `rule_engine_resource` | the embedded default: versions, review, status |
//! | [`MysqlRules`] | a row of `rule_engine_resource` | the same in MySQL or MariaDB, via the binlog |
//!
//! Each has a [`RuleStore`] through which the CLI and the console publish. Documents are passed on unchanged:
//! only `rule_id` is read here.
//!
//! **Invariant**: an unreadable document changes nothing. The document read before stays in force until the
//! new one is corrected, removed or retired.
//!
//! - `store`: the interface for publishing
//! - `folder`, `folder_store`, `listing`: rules in files, publishing into files, and reading them
//! - `sqlite`, `mysql`: rules in tables
//! - `row`, `table`: meaning of a row of the rule table, and all its rows
//! - `mark`: a place beside the rules for the mark of the state
//! - `book`: the rows passed on so far, and their difference from the table
//! - `document`: the `rule_id` of a document

mod book;
mod document;
mod folder;
mod folder_store;
mod listing;
mod mark;
mod mysql;
mod row;
mod sqlite;
mod store;
mod table;

pub use folder::FolderRules;
pub use folder_store::FolderStore;
pub use mark::MarkPlace;
pub use mysql::{MysqlConfig, MysqlMark, MysqlRules, MysqlStore, migrate as migrate_mysql};
pub use sqlite::{SqliteMark, SqliteRules, SqliteStore, Version};
pub use store::{Published, RuleStore, StoredRule};

use operators::{
    document::{lifecycle::RunState, put::Put},
    model::ids::Positions,
};

use crate::SourceError;

/// A source of rule documents.
///
/// ```
/// use strateye_sources::rules::{Change, FolderRules, FolderStore, RuleSource, RuleStore};
///
/// let folder = tempfile::tempdir()?;
/// let mut source = FolderRules::open(folder.path())?;
/// assert!(source.poll()?.is_empty());
///
/// let document = r#"{"rule_id": "coupon", "trigger": {"event": {"id": "search"}}}"#;
/// FolderStore::open(folder.path())?.publish(document, "zhang")?;
/// let changes = source.poll()?;
/// assert_eq!(changes[0].rule_id(), Some("coupon"));
/// assert!(matches!(changes[0].change, Change::Put(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RuleSource: Send {
    /// Returns the changes since the last poll; the first poll returns all rules.
    ///
    /// Several changes of one rule between two polls are merged into one. Removals come first, then
    /// documents, then unreadable ones.
    ///
    /// # Errors
    /// If the folder or store cannot be read. No change is lost: the next successful poll returns it.
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError>;

    /// Records the state of a version of a rule, for display; `version` is 0 if it is unknown. A source
    /// without a place for it ignores the call.
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

    /// Records the offsets from which on a version of a rule is in force, for display. A source without a
    /// place for it ignores the call.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn write_live_cut(&mut self, rule_id: &str, version: u64, cut: &Positions) -> Result<(), SourceError> {
        let _ = (rule_id, version, cut);
        Ok(())
    }
}

/// The stored form of offsets: `{"PARTITION": OFFSET, ..}`.
fn offsets_json(offsets: &Positions) -> String {
    serde_json::json!(offsets.as_map()).to_string()
}

/// A change of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// Its origin, for messages: a file's path, or `rule_engine_resource RULE_ID`.
    pub origin: String,
    /// The change.
    pub change: Change,
}

impl RuleChange {
    /// The rule's id, if it is known.
    pub fn rule_id(&self) -> Option<&str> {
        match &self.change {
            Change::Put(put) => Some(&put.rule_id),
            Change::Remove { rule_id } | Change::Unreadable { rule_id, .. } => rule_id.as_deref(),
        }
    }
}

/// Kind of change of a rule in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The rule has this document and status; either may be unchanged.
    Put(Put),
    /// The rule is gone.
    Remove {
        /// The rule's id; `None` for what was reported unreadable without one.
        rule_id: Option<String>,
    },
    /// The document cannot be used; the rule stays in force with the one before.
    Unreadable {
        /// The rule's id, if it is known.
        rule_id: Option<String>,
        /// The fault, and what to write instead.
        reason: String,
    },
}

/// Upper bound of a document's length, bytes.
const MAX_DOCUMENT: u64 = 64 << 20;
