//! Blobs of any size, in pieces that a store accepts.
//!
//! A blob is stored under its name; a full first piece is followed by `NAME:1`, `NAME:2` and so on. The first
//! piece that is shorter than a store accepts ends the blob. So the name alone, or the name and the size,
//! determine all pieces.

use sinks::checkpoint::{CheckpointError, CheckpointStore, MAX_BLOB};

use crate::protocol::report::BlobRef;

/// Names of the pieces of a blob with this number of bytes.
pub(super) fn names(name: &str, bytes: u64) -> impl Iterator<Item = String> {
    (0..=bytes / MAX_BLOB as u64).map(move |piece| named(name, piece))
}

fn named(name: &str, piece: u64) -> String {
    if piece == 0 { name.to_owned() } else { format!("{name}:{piece}") }
}

/// Names of the pieces of a blob that a manifest lists.
pub(super) fn of(blob: &BlobRef) -> impl Iterator<Item = String> + use<'_> {
    names(&blob.name, blob.bytes)
}

/// Writes a blob.
///
/// # Errors
/// If the store can't be reached; some pieces may have been written.
pub(super) fn put(store: &mut dyn CheckpointStore, name: &str, bytes: &[u8]) -> Result<(), CheckpointError> {
    names(name, bytes.len() as u64).enumerate().try_for_each(|(piece, name)| {
        let rest = &bytes[piece * MAX_BLOB..];
        store.put_blob(&name, &rest[..rest.len().min(MAX_BLOB)])
    })
}

/// Reads a blob; `None` if a piece is missing.
///
/// # Errors
/// If the store can't be reached.
pub(super) fn read(store: &mut dyn CheckpointStore, name: &str) -> Result<Option<Vec<u8>>, CheckpointError> {
    let mut bytes = Vec::new();
    for piece in 0.. {
        let Some(read) = store.blob(&named(name, piece))? else { return Ok(None) };
        bytes.extend_from_slice(&read);
        if read.len() < MAX_BLOB {
            break;
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use sinks::checkpoint::MemoryCheckpoints;

    use super::*;

    #[test]
    fn blobs_at_and_above_the_limit_come_back() {
        let mut store = MemoryCheckpoints::new();
        let all: Vec<u8> = (0..2 * MAX_BLOB + 1).map(|i| (i % 251) as u8).collect();
        for (size, pieces) in
            [(0, 1), (MAX_BLOB - 1, 1), (MAX_BLOB, 2), (MAX_BLOB + 1, 2), (2 * MAX_BLOB, 3), (all.len(), 3)]
        {
            put(&mut store, "crowd:a", &all[..size]).unwrap();
            assert!(read(&mut store, "crowd:a").unwrap().is_some_and(|read| read == all[..size]), "{size}");
            let names: Vec<String> = names("crowd:a", size as u64).collect();
            assert_eq!((names.len(), store.blobs().unwrap()), (pieces, names.clone()), "{size}");
            store.remove_blobs(&names[pieces - 1..]).unwrap();
            assert_eq!(read(&mut store, "crowd:a").unwrap(), None, "{size}");
            store.remove_blobs(&names).unwrap();
        }
    }
}
