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
    up_to: u64,
    at: Instant,
}

/// Listed blobs, and the progress of their compaction and publication.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Whether the store keeps commits and hashes in one log.
    one_log: bool,
    /// Number of the last commit.
    last: Option<u64>,
    /// Blobs of the next manifest, in the order of their checkpoints.
    listed: VecDeque<Listed>,
    dropped: VecDeque<Dropped>,
    /// The last checkpoint handed to the compactor.
    handed_on: u64,
    /// Reports of the compactor within the last [`LISTED_AFTER`], and the one before.
    reached: VecDeque<Reached>,
    /// The store's mark of compaction before the last commit.
    vouched: u64,
    /// The last checkpoint published; `None` if triggers do not wait for checkpoints.
    published: Option<u64>,
}

impl Ledger {
    /// Makes an empty ledger after the commit that was found in the store, if any.
    pub(super) fn new(one_log: bool, last: Option<u64>) -> Self {
        Ledger {
            one_log,
            last,
            listed: VecDeque::new(),
            dropped: VecDeque::new(),
            handed_on: 0,
            reached: VecDeque::new(),
            vouched: 0,
            published: None,
        }
    }

    /// Takes over the lists of the last commit. Returns the checkpoints to be published and handed on, in
    /// order: those with a listed blob or dropped state, and the last, whose mark shows that all is
    /// compacted.
    pub(super) fn resume(&mut self, manifest: Manifest) -> BTreeSet<u64> {
        (self.listed, self.dropped) = (manifest.blobs.into(), manifest.dropped.into());
        self.numbers()
    }

    fn numbers(&self) -> BTreeSet<u64> {
        let listed = self.listed.iter().map(|listed| listed.n);
        listed.chain(self.dropped.iter().map(|dropped| dropped.n)).chain(self.last).collect()
    }

    /// Number of the last commit.
    pub(super) fn last(&self) -> Option<u64> {
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

    /// Lists the blobs of checkpoint n and removes those that are no longer needed from the list. Returns the
    /// names of their pieces, to be removed after the commit.
    pub(super) fn list(&mut self, n: u64, blobs: Vec<BlobRef>, dropped: Vec<String>) -> Vec<String> {
        let unlisted = self.unlist();
        self.listed.extend(blobs.into_iter().map(|blob| Listed { n, blob }));
        if !dropped.is_empty() {
            self.dropped.push_back(Dropped { n, names: dropped });
        }
        unlisted
    }

    fn unlist(&mut self) -> Vec<String> {
        let (durable, published) = (self.durable_up_to(), self.published.unwrap_or(u64::MAX));
        let mut unlisted = Vec::new();
        while self.listed.front().is_some_and(|first| first.n <= durable.min(published)) {
            unlisted.extend(self.listed.pop_front().iter().flat_map(|first| pieces::of(&first.blob)));
        }
        let first = self.listed.front().map_or(u64::MAX, |listed| listed.n);
        self.dropped.retain(|dropped| dropped.n > durable || dropped.n >= first);
        unlisted
    }

    /// Records the commit of checkpoint n; `vouched` is the store's mark of compaction before it.
    pub(super) fn committed(&mut self, n: u64, vouched: u64) {
        (self.last, self.vouched) = (Some(n), vouched);
    }

    /// Records that triggers are published up to this checkpoint.
    pub(super) fn published(&mut self, up_to: Option<u64>) {
        self.published = up_to;
    }

    /// Blobs of the triggers of checkpoint n.
    pub(super) fn triggers_of(&self, n: u64) -> Vec<BlobRef> {
        self.blobs_of(n, true)
    }

    fn blobs_of(&self, n: u64, triggers: bool) -> Vec<BlobRef> {
        let of_n = self.listed.iter().filter(|l| l.n == n && l.blob.triggers == triggers);
        of_n.map(|listed| listed.blob.clone()).collect()
    }

    /// Checkpoint n as the next one to be compacted.
    pub(super) fn hand_on(&mut self, n: u64) -> Compaction {
        let dropped = self.dropped.iter().filter(|dropped| dropped.n == n);
        let dropped = dropped.flat_map(|dropped| dropped.names.clone()).collect();
        let after = std::mem::replace(&mut self.handed_on, n);
        Compaction { after, n, blobs: self.blobs_of(n, false), dropped }
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
                let lost: Vec<u64> = self.numbers().into_iter().filter(|n| *n > up_to).collect();
                lost.into_iter().map(|n| self.hand_on(n)).collect()
            }
        }
    }

    /// Checkpoints up to this number are compacted, by the last report of the compactor.
    fn compacted_up_to(&self) -> u64 {
        self.reached.back().map_or(0, |last| last.up_to)
    }

    /// Checkpoints up to this number are compacted, and the store can't lose that unnoticed.
    fn durable_up_to(&self) -> u64 {
        if self.one_log {
            // Blobs of checkpoints not compacted in this run are still needed.
            return self.vouched.min(self.compacted_up_to());
        }
        match (self.reached.front(), self.reached.back()) {
            (Some(first), Some(last)) if last.at - first.at >= LISTED_AFTER => first.up_to,
            _ => 0,
        }
    }

    /// Checkpoints up to this number can be read back from the hashes: keys whose changes they include may
    /// leave memory.
    pub(super) fn readable_up_to(&self) -> u64 {
        if self.one_log { self.vouched } else { self.compacted_up_to() }
    }

    /// Number of checkpoints that are not compacted.
    pub(super) fn uncompacted(&self) -> usize {
        self.above(self.compacted_up_to())
    }

    /// Number of checkpoints that are not compacted, or not published.
    pub(super) fn behind(&self) -> usize {
        self.above(self.compacted_up_to().min(self.published.unwrap_or(u64::MAX)))
    }

    /// Number of checkpoints above `n` with a listed blob.
    fn above(&self, n: u64) -> usize {
        self.listed.iter().map(|listed| listed.n).filter(|of| *of > n).collect::<BTreeSet<u64>>().len()
    }
}

#[cfg(test)]
mod tests;
