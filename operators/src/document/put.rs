//! A rule as a store of rules has it.

use super::lifecycle::{Gap, Status};

/// A document as it stands in a store, with the status that people gave the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The rule's id, which is also the document's.
    pub rule_id: String,
    /// The document as JSON, as it was published.
    pub document: String,
    /// The status that people gave the rule.
    pub status: Status,
    /// Its version, where the store counts versions.
    pub version: Option<u64>,
    /// Treatment of the events of the last pause, if the rule goes online.
    pub gap: Gap,
}
