//! The takeover of a store: its ownership, and the content of its last commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use operators::{
    model::{
        ids::{CheckpointNumber, OwnerGeneration},
        zone,
    },
    ops::Start,
    rule::{crowd::Crowd, remembered::Remembered},
};
use sinks::checkpoint::{CheckpointError, CheckpointStore, MAX_NUMBER};

use super::{
    LEASE, RETRY,
    committed::{listed, malformed},
    manifest::Manifest,
    mark::Stored,
    pieces, rules,
};

/// Opens a connection to a store; `None` if there is no store.
pub(super) type Connect<'c> = dyn Fn() -> Result<Option<Box<dyn CheckpointStore>>, CheckpointError> + 'c;

/// A store that this engine owns, and the content of its last commit.
pub(super) struct Owned {
    pub(super) store: Box<dyn CheckpointStore>,
    /// A connection of its own for the compactor.
    pub(super) to_compact: Box<dyn CheckpointStore>,
    pub(super) generation: OwnerGeneration,
    pub(super) resumed: Resumed,
    /// Names of blobs that no manifest lists.
    pub(super) garbage: Vec<String>,
}

impl Owned {
    /// Takes the ownership, and reads the last commit.
    pub(super) fn take(connect: &Connect<'_>, owner: &str) -> Result<Option<Self>, CheckpointError> {
        let (Some(mut store), Some(to_compact)) = (connect()?, connect()?) else { return Ok(None) };
        let until = Instant::now() + LEASE + RETRY;
        let taken = loop {
            match store.take(owner, LEASE) {
                Err(CheckpointError::Owned { owner, for_ms, .. }) if Instant::now() < until => {
                    tracing::info!(owner, for_ms, "waiting for another engine's lease to end");
                    // The end of a lease can only be found by polling.
                    thread::sleep(Duration::from_millis(for_ms).min(RETRY));
                }
                taken => break taken?,
            }
        };
        let mut resumed = Resumed::default();
        if let Some(committed) = &taken.committed {
            resumed.read(&mut *store, &committed.manifest, committed.number)?;
        }
        resumed.start.generation = taken.generation;
        let garbage = garbage(&mut *store, resumed.manifest.as_ref(), &resumed.crowds)?;
        Ok(Some(Owned { store, to_compact, generation: taken.generation, resumed, garbage }))
    }

    /// The last commit in the store.
    pub(super) fn stored(&self) -> Option<Stored> {
        let lineage = self.resumed.manifest.as_ref().and_then(|manifest| manifest.lineage.clone());
        self.resumed.start.checkpoint.map(|number| Stored { number, lineage })
    }

    /// Drops all hashes: those that a store without a commit has are of state that is gone.
    pub(super) fn drop_hashes(&mut self) -> Result<(), CheckpointError> {
        // Generations count anew in a store that was emptied, and its hashes may have later ones.
        let any = OwnerGeneration(MAX_NUMBER);
        self.store.hashes()?.iter().try_for_each(|name| self.store.drop_hash(any, name))
    }
}

/// The content of the last commit; empty if there is none.
#[derive(Default)]
pub(super) struct Resumed {
    pub(super) start: Start,
    pub(super) remembered: Vec<Remembered>,
    pub(super) manifest: Option<Manifest>,
    pub(super) crowds: Crowds,
}

/// Sizes of the crowds in the store, bytes, by blob name.
pub(super) type Crowds = BTreeMap<String, u64>;

pub(super) fn crowd_name(digest: &str) -> String {
    format!("crowd:{digest}")
}

impl Resumed {
    fn read(
        &mut self,
        store: &mut dyn CheckpointStore,
        manifest: &[u8],
        number: CheckpointNumber,
    ) -> Result<(), CheckpointError> {
        let manifest = Manifest::from_json(manifest)?;
        if let Some(then) = manifest.zones.as_deref().filter(|then| *then != zone::version()) {
            tracing::info!(
                then,
                now = zone::version(),
                "the time zones have another version than in the checkpoint"
            );
        }
        let rules = listed(store, &manifest.rules)?;
        let rules = String::from_utf8_lossy(&rules);
        let crowds = &mut self.crowds;
        let place = &manifest.rules.name;
        let mut crowd = |digest: &str| {
            let name = crowd_name(digest);
            let bytes = pieces::read(store, &name)?
                .ok_or_else(|| malformed(place, format!("crowd {digest} is missing")))?;
            crowds.insert(name, bytes.len() as u64);
            match Crowd::from_bytes(&bytes) {
                Ok(crowd) if crowd.digest() == digest => Ok(crowd),
                Ok(_) => Err(malformed(place, format!("crowd {digest} does not hold what its name says"))),
                Err(error) => Err(malformed(place, error.to_string())),
            }
        };
        self.remembered = rules::from_json(place, &rules, &mut crowd)?;
        let in_force = self.remembered.iter().filter(|r| r.in_force);
        self.start = Start {
            generation: OwnerGeneration::default(),
            positions: manifest.positions.clone(),
            clocks: manifest.clocks.clone(),
            checkpoint: Some(number),
            states: in_force.flat_map(|r| r.published.lineage.names(&r.published.rule_id)).collect(),
            blobs: manifest.blobs.iter().filter(|l| !l.blob.triggers).map(|l| l.blob.stored()).collect(),
        };
        self.manifest = Some(manifest);
        Ok(())
    }
}

/// Blobs that no manifest lists: those of checkpoints that were never committed.
fn garbage(
    store: &mut dyn CheckpointStore,
    manifest: Option<&Manifest>,
    crowds: &Crowds,
) -> Result<Vec<String>, CheckpointError> {
    let blobs = manifest.iter().flat_map(|m| m.blobs.iter().map(|l| &l.blob).chain([&m.rules]));
    let crowds = crowds.iter().flat_map(|(name, bytes)| pieces::names(name, *bytes));
    let listed: BTreeSet<String> = blobs.flat_map(pieces::of).chain(crowds).collect();
    Ok(store.blobs()?.into_iter().filter(|name| !listed.contains(name)).collect())
}
