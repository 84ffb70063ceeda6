//! Effects of change sets and of rules in force, from `control` to the rules feed.

use operators::{
    document::fault::Faults,
    model::{epoch::Epoch, ids::Positions},
    ops::RuleFailure,
    rule::catalog::Applied,
};
use serde::{Deserialize, Serialize};

/// An effect reported to the rules feed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A change set is in force on all workers.
    InForce {
        /// First epoch that the change set holds for.
        epoch: Epoch,
        /// First offset that it holds for, by partition.
        positions: Positions,
        /// Rules that it changed and that have faults.
        faults: RuleFaults,
    },
    /// Calls of a rule failed.
    Failed(RuleFailure),
    /// Triggers of rules since the last such message, by rule id.
    Fired(Vec<(String, u64)>),
}

/// Faults of the rules that a change set changed, by rule id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFaults {
    /// Rules that did not compile after all, with the reason; they stay as they were.
    pub rejected: Vec<(String, String)>,
    /// Rules that are in force, though a statement of theirs fails whenever it is reached; with the statement.
    pub failing: Vec<(String, String)>,
}

impl From<&Applied> for RuleFaults {
    fn from(applied: &Applied) -> Self {
        let texts = |faults: &[(String, Faults)]| {
            faults.iter().map(|(rule_id, faults)| (rule_id.clone(), faults.to_string())).collect()
        };
        RuleFaults { rejected: texts(&applied.rejected), failing: texts(&applied.failing) }
    }
}
