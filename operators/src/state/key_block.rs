//! Block of a key: its text, its times, and where its piece lies.

use compact_str::CompactString;

use super::{
    Origin,
    evicted::{EvictedKey, Kept},
    piece::Piece,
};
use crate::model::ids::{CheckpointNumber, PartitionId};

/// A key with its times and its piece.
#[derive(Debug, Default)]
pub struct KeyBlock {
    /// Routing hash.
    pub(super) hash: u64,
    /// The key's text; as it is short as a rule, it lies in place.
    pub(super) key: CompactString,
    /// Highest `now` of its events, unix ms.
    pub(super) last_now: i64,
    /// Next timer of the key as the store has it filed, unix ms.
    pub(super) next_deadline: i64,
    /// Checkpoint of the latest change, see [`changed_in`](Self::changed_in).
    pub(super) changed_in: CheckpointNumber,
    /// States of the rules it has met.
    pub(super) piece: Piece,
    /// Number of its `key_by` in the catalog.
    pub(super) group: u32,
    /// Partition of its records.
    pub(super) origin: Origin,
    /// Whether the place is in use by a key.
    pub(super) used: bool,
    /// Whether the key was used since eviction last visited it.
    pub(super) recent: bool,
    /// Whether the place is listed as changed. It stays listed when it is reused for another key.
    pub(super) listed: bool,
    /// Whether checkpoints contain, or will contain, a part of the key's state, so that its removal must be
    /// saved too.
    pub(super) stored: bool,
}

impl KeyBlock {
    /// Makes the block of a key that was never seen.
    pub(super) fn new(hash: u64, group: u32, key: &str, listed: bool) -> Self {
        KeyBlock {
            hash,
            group,
            key: key.into(),
            last_now: i64::MIN,
            next_deadline: i64::MAX,
            changed_in: CheckpointNumber::MAX,
            used: true,
            listed,
            ..KeyBlock::default()
        }
    }

    /// The key's text.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Number of its `key_by` in the catalog.
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Next timer of the key as it is filed, unix ms; `i64::MAX` if there is none. Never later than the true
    /// one.
    pub fn next_deadline(&self) -> i64 {
        self.next_deadline
    }

    /// Highest `now` of the key's events, unix ms; `i64::MIN` before the first.
    pub fn last_now(&self) -> i64 {
        self.last_now
    }

    /// Applies the `now` of an event; returns the key's `now`, which never goes back.
    pub fn advance(&mut self, now: i64) -> i64 {
        self.last_now = self.last_now.max(now);
        self.recent = true;
        self.last_now
    }

    /// Sets the highest `now` of the key's events, unix ms, as far as restored states contain it.
    pub fn set_last_now(&mut self, now: i64) {
        self.last_now = now;
    }

    /// Records the partition of an event. If it is the key's second one, returns the first: at most once.
    pub fn see_partition(&mut self, partition: PartitionId) -> Option<PartitionId> {
        self.origin.see(partition)
    }

    /// Whether nothing is remembered for the key, nor any removal that a checkpoint has yet to write.
    pub fn is_empty(&self) -> bool {
        self.piece.is_empty()
    }

    /// Number of the checkpoint that has the latest change, or will have it; 0 if the change lies before the
    /// start, `u64::MAX` if there was none.
    pub fn changed_in(&self) -> CheckpointNumber {
        self.changed_in
    }

    /// Sets the [checkpoint of the latest change](Self::changed_in).
    pub fn set_changed_in(&mut self, checkpoint: CheckpointNumber) {
        self.changed_in = checkpoint;
    }

    /// Lists the place as changed; returns false if it is listed already.
    pub fn list(&mut self) -> bool {
        !std::mem::replace(&mut self.listed, true)
    }

    /// Removes the place from the list of changed ones.
    pub fn unlist(&mut self) {
        self.listed = false;
    }

    /// Whether the key was used since the last call.
    pub fn take_recent(&mut self) -> bool {
        std::mem::take(&mut self.recent)
    }

    /// Splits off what is kept while the key is out of memory: its name and times; `deadline` is its next
    /// timer, unix ms.
    pub fn into_evicted(self, deadline: i64) -> (EvictedKey, Kept) {
        let kept = Kept { last_now: self.last_now, deadline, origin: self.origin };
        (EvictedKey { group: self.group, hash: self.hash, key: self.key.as_str().into() }, kept)
    }

    /// Name of the key for when it is out of memory.
    #[cfg(test)]
    pub(crate) fn evicted_key(&self) -> EvictedKey {
        EvictedKey { group: self.group, hash: self.hash, key: self.key.as_str().into() }
    }

    /// Restores what was kept while the key was out of memory. The key counts as used, and as last changed in
    /// `checkpoint`.
    pub fn reloaded(&mut self, kept: &Kept, checkpoint: CheckpointNumber) {
        self.last_now = self.last_now.max(kept.last_now);
        self.origin = kept.origin;
        self.recent = true;
        self.changed_in = checkpoint;
    }
}
