//! A rule as a rule store contains it.

use super::{
    lifecycle::{Gap, Status},
    text::DocumentText,
};

/// Document in a rule store, with the status that people gave the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The rule's id, which is also the document's.
    pub rule_id: String,
    /// The document as JSON, exactly as it was published.
    pub document: DocumentText,
    /// The status that people gave the rule.
    pub status: Status,
    /// Version of the rule, if the store counts versions.
    pub version: Option<u64>,
    /// Treatment of the events of the last pause, if the rule goes online.
    pub gap: Gap,
}
