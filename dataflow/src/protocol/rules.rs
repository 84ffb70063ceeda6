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

/// Faults of the rules that a change set changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFaults {
    /// Rules that did not compile after all, with the reason; they stay as they were.
    pub rejected: Vec<FaultyRule>,
    /// Rules that are in force, though a statement of theirs fails whenever it is reached; with the statement.
    pub failing: Vec<FaultyRule>,
}

/// A rule with what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultyRule {
    /// The rule.
    pub rule_id: String,
    /// Its faults, with their remedies.
    pub faults: String,
}

impl From<&Applied> for RuleFaults {
    fn from(applied: &Applied) -> Self {
        let texts = |rules: &[(String, Faults)]| {
            let rule = |(rule_id, faults): &(String, Faults)| FaultyRule {
                rule_id: rule_id.clone(),
                faults: faults.to_string(),
            };
            rules.iter().map(rule).collect()
        };
        RuleFaults { rejected: texts(&applied.rejected), failing: texts(&applied.failing) }
    }
}
