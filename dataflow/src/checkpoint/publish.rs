//! The publisher: triggers that wait for their commit leave in one transaction per checkpoint.
//!
//! **Invariant**: the transaction of checkpoint n holds its triggers and records n. After a restart everything that is listed and not
//! recorded is published again; so each trigger is visible exactly once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use operators::model::trigger::Fired;
use sinks::checkpoint::{CheckpointError, CheckpointStore};

use super::{BlobRef, blob, fail, keeper::listed, persist};

/// Publishes the triggers of checkpoints.
pub trait Transactions: Send {
    /// The number of the last checkpoint published.
    ///
    /// # Errors
    /// If it can't be told, in words.
    fn last_published(&mut self) -> Result<Option<u64>, String>;

    /// Publishes a checkpoint's triggers and its number, all or nothing; tries again what may pass.
    ///
    /// # Errors
    /// If it can't, in words.
    fn publish(&mut self, n: u64, fired: &[Fired]) -> Result<(), String>;
}

/// The triggers of a commit.
pub(super) struct Batch {
    pub(super) n: u64,
    pub(super) blobs: Vec<BlobRef>,
}

/// Hands commits to the publishing thread.
pub struct Publisher {
    batches: mpsc::Sender<Batch>,
    published: Arc<AtomicU64>,
}

impl Publisher {
    /// Starts the thread.
    ///
    /// # Errors
    /// If it can't be told what was published last.
    pub fn start(mut store: Box<dyn CheckpointStore>, mut to: Box<dyn Transactions>) -> Result<Self, String> {
        let last = to.last_published()?.unwrap_or(0);
        let published = Arc::new(AtomicU64::new(last));
        // Bounded by the keeper: what is not published stays listed, and too long a list holds commits back.
        let (batches, from) = mpsc::channel::<Batch>();
        let done = Arc::clone(&published);
        thread::spawn(move || {
            for Batch { n, blobs } in from {
                if n > done.load(Ordering::SeqCst) {
                    publish(&mut *store, &mut *to, n, &blobs);
                    done.store(n, Ordering::SeqCst);
                }
            }
        });
        Ok(Publisher { batches, published })
    }

    pub(super) fn publish(&self, batch: Batch) {
        // The thread lives as long as the process.
        let _ = self.batches.send(batch);
    }

    /// The number of the last checkpoint whose triggers have left.
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }
}

fn publish(store: &mut dyn CheckpointStore, to: &mut dyn Transactions, n: u64, blobs: &[BlobRef]) {
    let mut fired: Vec<Fired> = Vec::new();
    for blob in blobs {
        let bytes = persist("publishing", || listed(store, blob));
        match blob::triggers(&bytes) {
            Ok(triggers) => fired.extend(triggers),
            Err(reason) => fail(&CheckpointError::Format { place: blob.name.clone(), reason }),
        }
    }
    if let Err(reason) = to.publish(n, &fired) {
        tracing::error!(n, reason, "triggers can't be published");
        std::process::exit(crate::run::exit::SINK_FAILED);
    }
}
