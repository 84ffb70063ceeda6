//! Reads of a commit, and of the blobs that it lists.

use operators::model::ids::CheckpointNumber;
use sinks::checkpoint::{CheckpointError, CheckpointStore};

use super::pieces;
use crate::protocol::report::BlobRef;

/// Reason for a blob that a manifest lists and the store does not have.
const MISSING: &str = "the manifest lists it, but it is missing; restore the store from a backup, or choose another prefix or file to start without state";

/// Checks that the store has the commit of checkpoint `number`, or a later one.
pub(super) fn is_committed(
    store: &mut dyn CheckpointStore,
    number: CheckpointNumber,
) -> Result<(), CheckpointError> {
    match store.committed()?.map(|committed| committed.number) {
        Some(last) if last >= number => Ok(()),
        last => Err(CheckpointError::OutOfOrder { number, last: last.unwrap_or_default() }),
    }
}

/// Reads a blob that a manifest lists.
pub(super) fn listed(store: &mut dyn CheckpointStore, blob: &BlobRef) -> Result<Vec<u8>, CheckpointError> {
    match pieces::read(store, &blob.name)? {
        Some(bytes) if blob.fits(&bytes) => Ok(bytes),
        Some(_) => Err(malformed(
            &blob.name,
            "does not hold what the manifest says; restore the store from a backup, or choose another prefix or file to start without state",
        )),
        None => Err(malformed(&blob.name, MISSING)),
    }
}

/// Error for content that strateye did not write.
pub(super) fn malformed(place: &str, reason: impl Into<String>) -> CheckpointError {
    CheckpointError::Format { place: place.to_owned(), reason: reason.into() }
}
