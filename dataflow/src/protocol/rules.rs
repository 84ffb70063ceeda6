//! From `control` to the rules feed: effects of change sets, and of rules in force.

use operators::{model::ids::Positions, ops::RuleFailure};

/// An effect that the rules feed has to know.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A change set is in force on all workers.
    InForce {
        /// First epoch it holds for.
        epoch: u64,
        /// First offset that it holds for, by partition.
        positions: Positions,
        /// Rules that did not compile after all.
        rejected: Vec<(String, String)>,
    },
    /// Calls of a rule failed.
    Failed(RuleFailure),
    /// Triggers of rules since the last such message, by rule id.
    Fired(Vec<(String, u64)>),
}
