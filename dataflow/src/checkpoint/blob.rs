//! Blobs: parts of a checkpoint, compressed, with a head that identifies their kind and format.

use operators::{model::trigger::Fired, ops::Part, state::Delta};
use serde::de::DeserializeOwned;
use sinks::checkpoint::CheckpointError;

use super::committed::malformed;

/// `strateye`, kind, format version.
const MAGIC: &[u8; 4] = b"stry";
const FORMAT: u8 = 1;
const STATE: u8 = b's';
const TRIGGERS: u8 = b't';

/// Bytes of a part; `None` for the end.
pub(super) fn encode(part: &Part) -> Option<Vec<u8>> {
    let (kind, plain) = match part {
        // Plain data always serializes.
        Part::State(delta) => (STATE, postcard::to_stdvec(delta).unwrap_or_default()),
        Part::Triggers(held) => (TRIGGERS, postcard::to_stdvec(held).unwrap_or_default()),
        Part::End => return None,
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[kind, FORMAT]);
    bytes.extend_from_slice(&lz4_flex::compress_prepend_size(&plain));
    Some(bytes)
}

/// Reads the blob of state that is stored under a name.
///
/// # Errors
/// [`CheckpointError::Format`] if it is not such a blob.
pub(super) fn state(name: &str, bytes: &[u8]) -> Result<Delta, CheckpointError> {
    read(STATE, name, bytes)
}

/// Reads the blob of triggers that is stored under a name.
///
/// # Errors
/// [`CheckpointError::Format`] if it is not such a blob.
pub(super) fn triggers(name: &str, bytes: &[u8]) -> Result<Vec<Fired>, CheckpointError> {
    read(TRIGGERS, name, bytes)
}

fn read<T: DeserializeOwned>(kind: u8, name: &str, bytes: &[u8]) -> Result<T, CheckpointError> {
    let Some((head, rest)) = bytes.split_first_chunk::<6>() else {
        return Err(malformed(name, "is too short to be a blob"));
    };
    if head[..4] != *MAGIC || head[4] != kind {
        return Err(malformed(name, "is not a blob of strateye, or not of the kind that the manifest says"));
    }
    if head[5] != FORMAT {
        return Err(malformed(
            name,
            format!(
                "has format {}, this release knows {FORMAT}; use the release that wrote it to drain it, or another prefix",
                head[5]
            ),
        ));
    }
    let plain =
        lz4_flex::decompress_size_prepended(rest).map_err(|error| malformed(name, error.to_string()))?;
    postcard::from_bytes(&plain).map_err(|error| malformed(name, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::report::BlobRef;

    #[test]
    fn parts_read_back_and_others_are_told() {
        let mut delta = Delta::default();
        let name = delta.name("r:c:1".into());
        delta.push(name, "重庆", Some(|text: &mut String| text.push_str("[1]")));
        let bytes = encode(&Part::State(delta.clone())).unwrap();
        assert_eq!(state("b", &bytes).unwrap(), delta);
        assert!(triggers("b", &bytes).is_err());
        assert_eq!(encode(&Part::End), None);
        let blob = BlobRef::of("b".into(), &bytes, false);
        assert!(blob.fits(&bytes) && !blob.fits(&bytes[1..]));
        let mut later = bytes.clone();
        later[5] = 9;
        assert!(state("b", &later).unwrap_err().to_string().contains("has format 9"));
        for end in 0..bytes.len() {
            assert!(state("b", &bytes[..end]).is_err(), "{end}");
        }
        for i in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[i] ^= 0x55;
            let _ = state("b", &broken);
        }
    }
}
