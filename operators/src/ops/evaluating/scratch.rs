//! Memory that is reused from one record to the next.

use crate::{ops::ascending::Ascending, rule::book::Target, state::UnsavedPart};

/// Buffers of a record's evaluation; empty between two records.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Targets of the record, by their positions in the order of the folds.
    pub(super) positions: Vec<u32>,
    pub(super) ascending: Ascending,
    /// Targets of one rule.
    pub(super) targets: Vec<Target>,
    /// Positions of rules.
    pub(super) rules: Vec<u32>,
    /// Parts of a key that a checkpoint has yet to write.
    pub(super) unsaved: Vec<UnsavedPart>,
}
