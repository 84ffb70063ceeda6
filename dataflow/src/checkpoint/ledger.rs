//! The ledger of checkpoints: the blobs that the next manifest lists, and the progress of compaction and
//! publication.
//!
//! It decides without side effects: no store, no thread, no clock. The [keeper](super::keeper) carries out
//! its decisions.
//!
//! **Invariants**
//! - A blob stays listed until its checkpoint is published and compacted *durably*: the store can't lose that
//!   unnoticed. A store with one log vouches for its mark of compaction with the next commit. A store with
//!   many logs is trusted after [`LISTED_AFTER`], during which its histories were checked repeatedly.
//! - Names of dropped state stay while a listed blob may contain changes of them.
//! - Checkpoints are handed to the compactor in the order of their numbers, each with the one handed on
//!   before; those that the store lost are handed on again, in the same order.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use operators::model::ids::CheckpointNumber;

use super::{
    compactor::{Compacted, Compaction},
    manifest::{Dropped, Listed, Manifest},
    pieces,
};
use crate::protocol::report::BlobRef;

/// Time for which a blob stays listed after its compaction, if the store has many logs and may lose a hash
/// but keep a later commit.
pub(super) const LISTED_AFTER: Duration = Duration::from_secs(60);

/// A report of the compactor.
#[derive(Clone, Copy, Debug)]
struct Reached {
    up_to: CheckpointNumber,
    at: Instant,
}

/// Listed blobs, and the progress of their compaction and publication.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Whether the store keeps commits and hashes in one log.
    one_log: bool,
    /// Number of the last commit.
    last: Option<CheckpointNumber>,
    /// Blobs of the next manifest, in the order of their checkpoints.
    listed: VecDeque<Listed>,
    dropped: VecDeque<Dropped>,
    /// The last checkpoint handed to the compactor.
    handed_on: CheckpointNumber,
    /// Reports of the compactor within the last [`LISTED_AFTER`], and the one before.
    reached: VecDeque<Reached>,
    /// The store's mark of compaction before the last commit.
    vouched: CheckpointNumber,
    /// The last checkpoint published; `None` if triggers do not wait for checkpoints.
    published: Option<CheckpointNumber>,
}

impl Ledger {
    /// Makes an empty ledger after the commit that was found in the store, if any.
    pub(super) fn new(one_log: bool, last: Option<CheckpointNumber>) -> Self {
        Ledger {
            one_log,
            last,
            listed: VecDeque::new(),
            dropped: VecDeque::new(),
            handed_on: CheckpointNumber::default(),
            reached: VecDeque::new(),
            vouched: CheckpointNumber::default(),
            published: None,
        }
    }

    /// Takes over the lists of the last commit. Returns the checkpoints to be published and handed on, in
    /// order: those with a listed blob or dropped state, and the last, whose mark shows that all is
    /// compacted.
    pub(super) fn resume(&mut self, manifest: Manifest) -> BTreeSet<CheckpointNumber> {
        (self.listed, self.dropped) = (manifest.blobs.into(), manifest.dropped.into());
        self.numbers()
    }

    fn numbers(&self) -> BTreeSet<CheckpointNumber> {
        let listed = self.listed.iter().map(|listed| listed.number);
        listed.chain(self.dropped.iter().map(|dropped| dropped.number)).chain(self.last).collect()
    }

    /// Number of the last commit.
    pub(super) fn last(&self) -> Option<CheckpointNumber> {
        self.last
    }

    /// Blobs of the next manifest.
    pub(super) fn listed(&self) -> Vec<Listed> {
        self.listed.iter().cloned().collect()
    }

    /// Dropped state of the next manifest.
    pub(super) fn dropped(&self) -> Vec<Dropped> {
        self.dropped.iter().cloned().collect()
    }

    /// Lists the blobs of checkpoint `number` and removes those that are no longer needed from the list.
    /// Returns the names of their pieces, to be removed after the commit.
    pub(super) fn list(
        &mut self,
        number: CheckpointNumber,
        blobs: Vec<BlobRef>,
        dropped: Vec<String>,
    ) -> Vec<String> {
        let unlisted = self.unlist();
        self.listed.extend(blobs.into_iter().map(|blob| Listed { number, blob }));
        if !dropped.is_empty() {
            self.dropped.push_back(Dropped { number, names: dropped });
        }
        unlisted
    }

    fn unlist(&mut self) -> Vec<String> {
        let (durable, published) = (self.durable_up_to(), self.published.unwrap_or(CheckpointNumber::MAX));
        let mut unlisted = Vec::new();
        while self.listed.front().is_some_and(|first| first.number <= durable.min(published)) {
            unlisted.extend(self.listed.pop_front().iter().flat_map(|first| pieces::of(&first.blob)));
        }
        let first = self.listed.front().map_or(CheckpointNumber::MAX, |listed| listed.number);
        self.dropped.retain(|dropped| dropped.number > durable || dropped.number >= first);
        unlisted
    }

    /// Records the commit of checkpoint `number`; `vouched` is the store's mark of compaction before it.
    pub(super) fn committed(&mut self, number: CheckpointNumber, vouched: CheckpointNumber) {
        (self.last, self.vouched) = (Some(number), vouched);
    }

    /// Records that triggers are published up to this checkpoint.
    pub(super) fn published(&mut self, up_to: Option<CheckpointNumber>) {
        self.published = up_to;
    }

    /// Blobs of the triggers of a checkpoint.
    pub(super) fn triggers_of(&self, number: CheckpointNumber) -> Vec<BlobRef> {
        self.blobs_of(number, true)
    }

    fn blobs_of(&self, number: CheckpointNumber, triggers: bool) -> Vec<BlobRef> {
        let blobs = self.listed.iter().filter(|l| l.number == number && l.blob.triggers == triggers);
        blobs.map(|listed| listed.blob.clone()).collect()
    }

    /// Checkpoint `number` as the next one to be compacted.
    pub(super) fn hand_on(&mut self, number: CheckpointNumber) -> Compaction {
        let dropped = self.dropped.iter().filter(|dropped| dropped.number == number);
        let dropped = dropped.flat_map(|dropped| dropped.names.clone()).collect();
        let after = std::mem::replace(&mut self.handed_on, number);
        Compaction { after, number, blobs: self.blobs_of(number, false), dropped }
    }

    /// Processes a report of the compactor. Returns the checkpoints that are to be handed on again.
    pub(super) fn compacted(&mut self, report: Compacted, now: Instant) -> Vec<Compaction> {
        match report {
            Compacted::UpTo(up_to) => {
                self.reached.push_back(Reached { up_to, at: now });
                while self.reached.get(1).is_some_and(|second| now - second.at >= LISTED_AFTER) {
                    self.reached.pop_front();
                }
                Vec::new()
            }
            Compacted::LostAbove(up_to) => {
                self.reached = VecDeque::from([Reached { up_to, at: now }]);
                self.handed_on = up_to;
                let mut lost = self.numbers();
                lost.retain(|number| *number > up_to);
                lost.into_iter().map(|number| self.hand_on(number)).collect()
            }
        }
    }

    /// Checkpoints up to this number are compacted, by the last report of the compactor.
    fn compacted_up_to(&self) -> CheckpointNumber {
        self.reached.back().map(|last| last.up_to).unwrap_or_default()
    }

    /// Checkpoints up to this number are compacted, and the store can't lose that unnoticed.
    fn durable_up_to(&self) -> CheckpointNumber {
        if self.one_log {
            // Blobs of checkpoints not compacted in this run are still needed.
            return self.vouched.min(self.compacted_up_to());
        }
        match (self.reached.front(), self.reached.back()) {
            (Some(first), Some(last)) if last.at - first.at >= LISTED_AFTER => first.up_to,
            _ => CheckpointNumber::default(),
        }
    }

    /// Checkpoints up to this number can be read back from the hashes: keys whose changes they include may
    /// leave memory.
    pub(super) fn readable_up_to(&self) -> CheckpointNumber {
        if self.one_log { self.vouched } else { self.compacted_up_to() }
    }

    /// Number of checkpoints that are not compacted.
    pub(super) fn uncompacted(&self) -> usize {
        self.above(self.compacted_up_to())
    }

    /// Number of checkpoints that are not compacted, or not published.
    pub(super) fn behind(&self) -> usize {
        self.above(self.compacted_up_to().min(self.published.unwrap_or(CheckpointNumber::MAX)))
    }

    /// Number of checkpoints above `number` with a listed blob.
    fn above(&self, number: CheckpointNumber) -> usize {
        let above = self.listed.iter().map(|listed| listed.number).filter(|listed| *listed > number);
        above.collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests;
