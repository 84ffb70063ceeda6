//! The publisher: triggers that wait for their commit leave in one transaction per checkpoint.
//!
//! **Invariants**
//! - The transaction of checkpoint n holds its triggers and records n. After a restart everything that is
//!   listed and not recorded is published again; so each trigger is visible exactly once.
//! - A number is used for one content only. Where the store has gone back behind what was published, the next
//!   checkpoint is numbered above that; one that was numbered anew would be taken for published, and its
//!   triggers lost.
//!
//! **Limit**: what fired between the checkpoint that a store went back to and the last one published fires
//! again and is published again, under later numbers and with the same trigger ids. Then each trigger is
//! visible at least once, and whoever must not act twice drops repeats by id.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc,
};

use operators::model::trigger::Fired;
use sinks::checkpoint::{CheckpointError, CheckpointStore};

use super::{
    blob,
    committed::{is_committed, listed},
    fail_point::reach,
    retry::retry_until_done,
};
use crate::{
    exit::{ExitHandle, Fatal, SINK_FAILED},
    protocol::report::BlobRef,
    threads,
};

/// Publishes the triggers of checkpoints.
pub trait Transactions: Send {
    /// The number of the last checkpoint published.
    ///
    /// # Errors
    /// If it can't be told, in words.
    fn last_published(&mut self) -> Result<Option<u64>, String>;

    /// The highest number that was ever published; 0 if none was. Above the last one if that did not reach
    /// all places.
    ///
    /// # Errors
    /// If it can't be told, in words.
    fn highest_published(&mut self) -> Result<u64, String>;

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
    highest: u64,
}

impl Publisher {
    /// Starts the thread; it ends the process if triggers can't be published.
    ///
    /// # Errors
    /// If the numbers published so far can't be read.
    pub fn start(
        mut store: Box<dyn CheckpointStore>,
        mut to: Box<dyn Transactions>,
        exit: ExitHandle,
    ) -> Result<Self, Fatal> {
        let last = to.last_published().map_err(unpublished)?.unwrap_or(0);
        let highest = to.highest_published().map_err(unpublished)?;
        let published = Arc::new(AtomicU64::new(last));
        // Bounded by the keeper, which commits nothing while too much is unpublished.
        let (batches, from) = mpsc::channel::<Batch>();
        let done = Arc::clone(&published);
        threads::spawn("state:publish", move || {
            for Batch { n, blobs } in from {
                if n > done.load(Ordering::SeqCst) {
                    reach("publish:before");
                    if let Err(fatal) = publish(&mut *store, &mut *to, n, &blobs) {
                        exit.end(fatal);
                    }
                    reach("publish:after");
                    done.store(n, Ordering::SeqCst);
                }
            }
        });
        Ok(Publisher { batches, published, highest })
    }

    pub(super) fn publish(&self, batch: Batch) {
        // The thread lives as long as the process.
        let _ = self.batches.send(batch);
    }

    /// The highest number that had been published at the start.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// The number of the last checkpoint whose triggers have left.
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }
}

fn publish(
    store: &mut dyn CheckpointStore,
    to: &mut dyn Transactions,
    n: u64,
    blobs: &[BlobRef],
) -> Result<(), Fatal> {
    let mut fired: Vec<Fired> = Vec::new();
    for blob in blobs {
        let bytes = retry_until_done("publishing", || {
            // What was committed and is gone went with its commit.
            listed(store, blob).or_else(|error| is_committed(store, n).and(Err(error)))
        })?;
        let place = blob.name.clone();
        fired.extend(blob::triggers(&bytes).map_err(|reason| CheckpointError::Format { place, reason })?);
    }
    to.publish(n, &fired).map_err(|reason| unpublished(format!("checkpoint {n}: {reason}")))
}

fn unpublished(reason: String) -> Fatal {
    Fatal::new(SINK_FAILED, "triggers can't be published", reason)
}
