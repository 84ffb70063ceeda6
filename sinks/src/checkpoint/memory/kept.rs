//! The state of a memory store, and the rules of ownership and fencing.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use operators::model::ids::{CheckpointNumber, OwnerGeneration};

use crate::checkpoint::{CheckpointError, CheckpointSpan, Committed, FieldChange, Ownership, milliseconds};

#[derive(Debug)]
pub(super) struct MemoryState {
    began: Instant,
    /// How far the clock of leases was advanced.
    pub(super) ahead: Duration,
    pub(super) generation: OwnerGeneration,
    pub(super) owner: Option<Owner>,
    pub(super) committed: Option<Committed>,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) hashes: BTreeMap<String, Hash>,
    /// Checkpoint that the hashes are compacted up to.
    pub(super) compacted: CheckpointNumber,
    /// Number of times that applied changes were lost; compared by each handle.
    pub(super) history: u64,
    pub(super) edits: BTreeMap<u64, Vec<(String, String)>>,
    pub(super) last_edit: u64,
}

#[derive(Debug)]
pub(super) struct Owner {
    name: String,
    /// Expiry of the lease on the store's clock, ms.
    until: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Hash {
    pub(super) generation: OwnerGeneration,
    /// First checkpoint of the last changes.
    number: CheckpointNumber,
    pub(super) fields: BTreeMap<String, String>,
}

impl MemoryState {
    pub(super) fn new() -> Self {
        MemoryState {
            began: Instant::now(),
            ahead: Duration::ZERO,
            generation: OwnerGeneration::default(),
            owner: None,
            committed: None,
            blobs: BTreeMap::new(),
            hashes: BTreeMap::new(),
            compacted: CheckpointNumber::default(),
            history: 0,
            edits: BTreeMap::new(),
            last_edit: 0,
        }
    }

    fn now(&self) -> u64 {
        milliseconds(self.began.elapsed() + self.ahead)
    }

    fn check_owner(&self, generation: OwnerGeneration) -> Result<(), CheckpointError> {
        if generation == self.generation && self.owner.is_some() {
            return Ok(());
        }
        Err(CheckpointError::Fenced { generation, by: self.generation })
    }

    pub(super) fn take(&mut self, owner: &str, lease: Duration) -> Result<Ownership, CheckpointError> {
        let now = self.now();
        if let Some(other) = &self.owner
            && other.name != owner
            && other.until > now
        {
            return Err(CheckpointError::Owned {
                place: "this memory".to_owned(),
                owner: other.name.clone(),
                for_ms: other.until - now,
            });
        }
        self.generation = self.generation.next();
        self.owner = Some(Owner { name: owner.to_owned(), until: now.saturating_add(milliseconds(lease)) });
        Ok(Ownership { generation: self.generation, committed: self.committed.clone() })
    }

    pub(super) fn renew(
        &mut self,
        generation: OwnerGeneration,
        lease: Duration,
    ) -> Result<Option<CheckpointNumber>, CheckpointError> {
        self.check_owner(generation)?;
        let until = self.now().saturating_add(milliseconds(lease));
        if let Some(owner) = &mut self.owner {
            owner.until = until;
        }
        Ok(self.committed.as_ref().map(|committed| committed.number))
    }

    pub(super) fn commit(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        manifest: &[u8],
    ) -> Result<CheckpointNumber, CheckpointError> {
        self.check_owner(generation)?;
        let commit = Committed { generation, number, manifest: manifest.to_vec() };
        match &self.committed {
            Some(last) if *last == commit => {}
            Some(last) if last.number >= number => {
                return Err(CheckpointError::OutOfOrder { number, last: last.number });
            }
            _ => self.committed = Some(commit),
        }
        Ok(self.compacted)
    }

    /// Returns the checkpoint compacted up to, and the store's history; `history` is the one that the handle
    /// knows.
    pub(super) fn mark_compacted(
        &mut self,
        generation: OwnerGeneration,
        number: CheckpointNumber,
        history: u64,
    ) -> Result<(CheckpointNumber, u64), CheckpointError> {
        if generation != self.generation {
            return Err(CheckpointError::Fenced { generation, by: self.generation });
        }
        if history == self.history {
            self.compacted = self.compacted.max(number);
        }
        Ok((self.compacted, self.history))
    }

    pub(super) fn check_hash(&self, generation: OwnerGeneration, hash: &str) -> Result<(), CheckpointError> {
        match self.hashes.get(hash) {
            Some(found) if found.generation > generation => {
                Err(CheckpointError::Fenced { generation, by: found.generation })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn apply(
        &mut self,
        generation: OwnerGeneration,
        span: CheckpointSpan,
        hash: &str,
        changes: &[FieldChange<'_>],
    ) -> Result<(), CheckpointError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.check_hash(generation, hash)?;
        let hash = self.hashes.entry(hash.to_owned()).or_default();
        let known = if hash.generation == generation { hash.number } else { CheckpointNumber::default() };
        if known > span.last {
            return Ok(());
        }
        (hash.generation, hash.number) = (generation, known.max(span.first));
        for &(field, text) in changes {
            match text {
                Some(text) => drop(hash.fields.insert(field.to_owned(), text.to_owned())),
                None => drop(hash.fields.remove(field)),
            }
        }
        Ok(())
    }
}
