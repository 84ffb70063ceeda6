//! Effects of change sets and of rules in force, from `control` to the rules feed.

use operators::{
    model::{epoch::Epoch, ids::Positions},
    ops::RuleFailure,
};

/// An effect reported to the rules feed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A change set is in force on all workers.
    InForce {
        /// First epoch that the change set holds for.
        epoch: Epoch,
        /// First offset that it holds for, by partition.
        positions: Positions,
        /// Rules that did not compile after all, with the reason.
        rejected: Vec<(String, String)>,
    },
    /// Calls of a rule failed.
    Failed(RuleFailure),
    /// Triggers of rules since the last such message, by rule id.
    Fired(Vec<(String, u64)>),
}
