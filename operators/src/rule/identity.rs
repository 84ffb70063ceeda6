//! Identity of a rule's state, by which the state of one version is carried over to another.

/// Identities of a rule's states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// Version at which the rule-level state began.
    pub rule: u64,
    /// Identity of each condition.
    pub conditions: Vec<Identity>,
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
