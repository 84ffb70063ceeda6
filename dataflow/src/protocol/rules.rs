//! Between the rules feed and `control`: change sets, and what becomes of them.

use std::sync::Arc;

use operators::{
    model::ids::Positions,
    ops::evaluating::RuleFailure,
    rule::{book::ChangeSet, remembered::Remembered},
};

/// A change set on its way to control.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The changes.
    pub set: ChangeSet,
    /// Names of state that is no rule's any more once they are in force.
    pub dropped: Vec<String>,
    /// All rules then.
    pub remembered: Arc<Vec<Remembered>>,
}

/// What control tells the rules feed.
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
    /// Rules fired, so often.
    Fired(Vec<(String, u64)>),
}
