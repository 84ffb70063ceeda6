//! The folder: a thread of process 0 that folds committed blobs into readable state, one checkpoint after the other.

use std::{collections::BTreeMap, sync::mpsc, thread};

use operators::state::Delta;
use sinks::checkpoint::CheckpointStore;

use super::{BlobRef, blob, fail, keeper::listed, persist};

/// A committed checkpoint.
pub(super) struct Work {
    pub(super) n: u64,
    /// Its blobs of state.
    pub(super) blobs: Vec<BlobRef>,
    /// State that no rule has behind it.
    pub(super) dropped: Vec<String>,
}

/// Folds.
pub(super) struct Folder {
    store: Box<dyn CheckpointStore>,
    generation: u64,
}

impl Folder {
    /// Starts the thread; what comes back are the numbers of checkpoints that are folded.
    pub(super) fn start(
        store: Option<Box<dyn CheckpointStore>>,
        generation: u64,
    ) -> (mpsc::Sender<Work>, mpsc::Receiver<u64>) {
        // Bounded by the keeper, which commits nothing while too much is unfolded.
        let (to, work) = mpsc::channel();
        let (folded, from) = mpsc::channel();
        if let Some(store) = store {
            let mut folder = Folder { store, generation };
            thread::spawn(move || folder.run(&work, &folded));
        }
        (to, from)
    }

    fn run(&mut self, work: &mpsc::Receiver<Work>, folded: &mpsc::Sender<u64>) {
        for Work { n, blobs, dropped } in work {
            blobs.iter().for_each(|blob| self.fold(blob));
            let Folder { store, generation } = self;
            for name in &dropped {
                persist("dropping state", || store.drop_hash(*generation, name));
            }
            if folded.send(n).is_err() {
                return;
            }
        }
    }

    fn fold(&mut self, blob: &BlobRef) {
        let Folder { store, generation } = self;
        let bytes = persist("folding", || listed(&mut **store, blob));
        let delta = match blob::state(&bytes) {
            Ok(delta) => delta,
            Err(reason) => {
                let place = blob.name.clone();
                fail(&sinks::checkpoint::CheckpointError::Format { place, reason })
            }
        };
        let hashes = by_hash(&delta);
        persist("folding", || {
            hashes.iter().try_for_each(|(name, changes)| store.fold(*generation, name, changes))
        });
    }
}

/// The changes by state name, in their order.
fn by_hash(delta: &Delta) -> BTreeMap<&str, Vec<(&str, Option<&str>)>> {
    let mut hashes: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for change in delta.changes() {
        hashes.entry(change.name).or_default().push((change.key, change.text));
    }
    hashes
}
