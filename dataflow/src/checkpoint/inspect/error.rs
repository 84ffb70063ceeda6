//! Errors of inspecting stored state.

use operators::model::ids::CheckpointNumber;
use sinks::checkpoint::CheckpointError;

/// Errors of showing or correcting state.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The store can't be read or written.
    #[error(transparent)]
    Store(#[from] CheckpointError),
    /// The settings keep no state.
    #[error("there is no state to look at; name a file *.db or redis://HOST:PORT")]
    NotKept,
    /// The store has no commit.
    #[error(
        "there is no checkpoint yet; start an engine on this state, or name the prefix or file of one that runs"
    )]
    NoCheckpoint,
    /// The checkpoint has no such rule.
    #[error("checkpoint {checkpoint} has no rule `{rule_id}` in force; it has {known}")]
    NoRule {
        /// Number of the checkpoint.
        checkpoint: CheckpointNumber,
        /// The rule asked for.
        rule_id: String,
        /// The rules there are.
        known: String,
    },
    /// The rule has no such condition.
    #[error("rule `{rule_id}` has no condition `{condition}`; it has {known}")]
    NoCondition {
        /// The rule.
        rule_id: String,
        /// The condition asked for.
        condition: String,
        /// The conditions there are.
        known: String,
    },
    /// The text is not a key of this rule.
    #[error("{key:?} is not a key of rule `{rule_id}`: {reason}")]
    Key {
        /// The rule.
        rule_id: String,
        /// The text given.
        key: String,
        /// Remedy: the text to write instead.
        reason: String,
    },
    /// The engine would refuse the correction.
    #[error("{0}")]
    Refused(String),
}

impl InspectError {
    /// Whether the request is at fault, rather than the store.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, InspectError::Store(error) if !matches!(error, CheckpointError::Invalid { .. }))
    }
}
