//! The publisher: triggers that wait for their commit are published in one transaction per checkpoint.
//!
//! **Invariants**
//! - The transaction of checkpoint n contains its triggers and records n. After a restart everything that is
//!   listed and not recorded is published again; so each trigger is visible exactly once.
//! - A number is used for one content only. Where the store has gone back behind a published checkpoint, the
//!   next one is numbered above it; a reused number would be taken for published, and its triggers lost.
//!
//! **Limit**: triggers that fired between the checkpoint to which a store went back and the last one
//! published fire again and are published again, under later numbers and with the same trigger ids. Then each
//! trigger is visible at least once, and a consumer that must not act twice drops repeats by id.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc,
};

use operators::model::{ids::CheckpointNumber, trigger::Fired};
use sinks::{TransactionError, checkpoint::CheckpointStore};

use super::{
    blob,
    committed::{is_committed, listed},
    fail_point::reach,
    retry::retry_until_done,
    transactional_sinks::{SelectingSink, TransactionalSinks},
};
use crate::{
    exit::{ExitHandle, Fatal, SINK_FAILED},
    protocol::report::BlobRef,
    threads,
};

/// Message of the failure of a transactional sink.
const UNPUBLISHED: &str = "triggers can't be published";

/// Triggers of a commit.
pub(super) struct Batch {
    pub(super) number: CheckpointNumber,
    pub(super) blobs: Vec<BlobRef>,
}

/// Sender of commits to the publishing thread.
pub struct Publisher {
    batches: mpsc::Sender<Batch>,
    /// Number of the last checkpoint published.
    published: Arc<AtomicU64>,
    highest: CheckpointNumber,
}

impl Publisher {
    /// Starts the thread; it ends the process if triggers can't be published.
    ///
    /// # Errors
    /// If the numbers published so far can't be read.
    pub fn start(
        mut store: Box<dyn CheckpointStore>,
        sinks: Vec<SelectingSink>,
        exit: ExitHandle,
    ) -> Result<Self, Fatal> {
        let mut sinks = TransactionalSinks(sinks);
        let numbers = sinks.published().map_err(unpublished)?;
        let published = Arc::new(AtomicU64::new(numbers.by_all.0));
        // Bounded by the keeper, which commits nothing while too much is unpublished.
        let (batches, from) = mpsc::channel::<Batch>();
        let done = Arc::clone(&published);
        threads::spawn("state:publish", move || {
            for Batch { number, blobs } in from {
                if number.0 > done.load(Ordering::SeqCst) {
                    reach("publish:before");
                    if let Err(fatal) = publish(&mut *store, &mut sinks, number, &blobs) {
                        exit.end(fatal);
                    }
                    reach("publish:after");
                    done.store(number.0, Ordering::SeqCst);
                }
            }
        });
        Ok(Publisher { batches, published, highest: numbers.by_any })
    }

    pub(super) fn publish(&self, batch: Batch) {
        // The thread lives as long as the process.
        let _ = self.batches.send(batch);
    }

    /// Highest number published before the start.
    pub(super) fn highest(&self) -> CheckpointNumber {
        self.highest
    }

    /// Number of the last checkpoint whose triggers are published.
    pub(super) fn published(&self) -> CheckpointNumber {
        CheckpointNumber(self.published.load(Ordering::SeqCst))
    }
}

fn publish(
    store: &mut dyn CheckpointStore,
    sinks: &mut TransactionalSinks,
    number: CheckpointNumber,
    blobs: &[BlobRef],
) -> Result<(), Fatal> {
    let mut fired: Vec<Fired> = Vec::new();
    for blob in blobs {
        let bytes = retry_until_done("publishing", || {
            // A blob that was committed and is missing was lost together with its commit.
            listed(store, blob).or_else(|error| is_committed(store, number).and(Err(error)))
        })?;
        fired.extend(blob::triggers(&blob.name, &bytes)?);
    }
    sinks
        .publish(number, &fired)
        .map_err(|error| Fatal::new(SINK_FAILED, UNPUBLISHED, format!("checkpoint {number}: {error}")))
}

fn unpublished(error: TransactionError) -> Fatal {
    Fatal::new(SINK_FAILED, UNPUBLISHED, error)
}
