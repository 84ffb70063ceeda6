//! What the CLI and the console do with rules, whatever keeps them.

use super::document;
use crate::SourceError;
use operators::document::lifecycle::Gap;

/// Somewhere rules are published to. The engine sees a change at its next poll.
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

    /// Lets a paused rule run again; `gap` says what becomes of the events that came meanwhile.
    ///
    /// # Errors
    /// If there is no such rule, it is retired, or the store cannot be written.
    fn resume(&mut self, rule_id: &str, gap: Gap) -> Result<(), SourceError>;

    /// Ends a rule for good.
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

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The rule.
    pub rule_id: String,
    /// Its version, where the store keeps versions.
    pub version: Option<u64>,
    /// Whether the rule is new to the store.
    pub new: bool,
    /// Where it is kept.
    pub origin: String,
}

/// A rule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    /// The rule.
    pub rule_id: String,
    /// Its version, where the store keeps versions.
    pub version: Option<u64>,
    /// `online`, `paused`, `retired`, or what else the store says (`draft`, `in_review`); `unreadable` for a file or
    /// row that is no rule.
    pub status: String,
    /// Who published it, if known.
    pub author: Option<String>,
    /// When it was last changed, RFC 3339, if known.
    pub updated: Option<String>,
    /// What the engine last said of it, and the details, if it said anything.
    pub state: Option<(String, String)>,
    /// Where it is kept.
    pub origin: String,
    /// The document; absent in lists.
    pub document: Option<String>,
}

/// The id of a document to be published.
pub(super) fn id_of(document: &str) -> Result<String, SourceError> {
    document::rule_id(document).map_err(|reason| SourceError::Document { reason })
}
