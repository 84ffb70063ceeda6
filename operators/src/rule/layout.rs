//! Layout of a rule's state, by which the state of one version is carried over to another.

use std::ops::Range;

/// Cells of each condition, and the identity by which a condition is recognized in another version of the
/// rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Version at which the rule-level state began.
    pub rule: u64,
    /// Per condition: its identity and its cells.
    pub conditions: Vec<(Identity, Range<usize>)>,
}

/// Identity of a condition's state: hash of the condition and its fold, and the version at which the state
/// began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Hash of id, calculator, filters, window, key and params.
    pub hash: u128,
    /// Version of the rule at which this state began.
    pub since: u64,
}
