//! The interface through which the CLI and the console change rules, for every kind of store.

use super::document::{self, Unreadable};
use crate::SourceError;
use operators::document::lifecycle::Gap;

/// A place to which rules are published. The engine receives a change with its next poll.
pub trait RuleStore: Send {
    /// Puts a document in force, in place of the rule's former one; a paused or retired rule goes online.
    ///
    /// # Errors
    /// If the document has no `rule_id`, or the store cannot be written.
    fn publish(&mut self, document: &str, author: &str) -> Result<Published, SourceError>;

    /// Stops a rule and keeps its state; a paused rule stays paused.
    ///
    /// # Errors
    /// If there is no such rule, it is retired, or the store cannot be written.
    fn pause(&mut self, rule_id: &str) -> Result<(), SourceError>;

    /// Resumes a paused rule; `gap` sets the treatment of the events that came meanwhile.
    ///
    /// # Errors
    /// If there is no such rule, it is retired, or the store cannot be written.
    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError>;

    /// Ends a rule permanently.
    ///
    /// # Errors
    /// If there is no such rule or the store cannot be written.
    fn retire(&mut self, rule_id: &str) -> Result<(), SourceError>;

    /// All rules, by id, without their documents.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn list(&self) -> Result<Vec<StoredRule>, SourceError>;

    /// One rule with its document.
    ///
    /// # Errors
    /// If there is no such rule or the store cannot be read.
    fn show(&self, rule_id: &str) -> Result<StoredRule, SourceError>;

    /// Publishes the document of an earlier version as a new version.
    ///
    /// # Errors
    /// If there is no such rule or version, or the store keeps none.
    fn rollback(&mut self, rule_id: &str, version: u64) -> Result<Published, SourceError> {
        Err(SourceError::NoSuchVersion {
            rule_id: rule_id.to_owned(),
            version,
            known: "none: this store keeps no versions; publish the earlier document".to_owned(),
        })
    }
}

/// Result of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The rule.
    pub rule_id: String,
    /// Its version, where the store keeps versions.
    pub version: Option<u64>,
    /// Whether the rule is new to the store.
    pub new: bool,
    /// Its location: the file's path, or `rule_engine_resource RULE_ID`.
    pub origin: String,
}

/// A rule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    /// The rule.
    pub rule_id: String,
    /// Its version, where the store keeps versions.
    pub version: Option<u64>,
    /// `online`, `paused`, `retired`, or another value of the store (`draft`, `in_review`); `unreadable` for
    /// a file or row that is no rule.
    pub status: String,
    /// The author of its last publish, if recorded.
    pub author: Option<String>,
    /// Time of its last change, RFC 3339, if recorded.
    pub updated: Option<String>,
    /// State that the engine reported last, with details; `None` if it reported none.
    pub state: Option<(String, String)>,
    /// Its location: the file's path, or `rule_engine_resource RULE_ID`.
    pub origin: String,
    /// The document; absent in lists.
    pub document: Option<String>,
}

/// Reads the rule id of a document to be published.
pub(super) fn id_of(document: &str) -> Result<String, SourceError> {
    document::rule_id(document).map_err(|Unreadable(reason)| SourceError::Document { reason })
}
