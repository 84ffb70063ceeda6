//! Crowds as bitmaps of guids.

use std::{cmp::Ordering, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// A crowd: a shared bitmap, told from others by its digest, so that comparing and merging copies a pointer.
#[derive(Clone, Debug)]
pub struct Crowd {
    digest: u128,
    members: Arc<RoaringTreemap>,
}

impl Crowd {
    /// Makes a crowd of a bitmap; costs one serialization for the digest.
    pub fn new(members: RoaringTreemap) -> Self {
        let mut bytes = Vec::with_capacity(members.serialized_size());
        // Writing into memory does not fail.
        let _ = members.serialize_into(&mut bytes);
        Crowd { digest: xxh3_128(&bytes), members: Arc::new(members) }
    }

    /// Reads a portable roaring bitmap, 64-bit or 32-bit.
    ///
    /// # Errors
    /// If the bytes are neither.
    pub fn from_portable(bytes: &[u8]) -> Result<Self, String> {
        if let Ok(small) = RoaringBitmap::deserialize_from(bytes)
            && small.serialized_size() == bytes.len()
        {
            return Ok(Crowd::new(small.iter().map(u64::from).collect()));
        }
        match RoaringTreemap::deserialize_from(bytes) {
            Ok(large) if large.serialized_size() == bytes.len() => Ok(Crowd::new(large)),
            _ => Err("these bytes are no portable roaring bitmap, neither 32- nor 64-bit".into()),
        }
    }

    /// Reads base64 of a portable roaring bitmap.
    ///
    /// # Errors
    /// If the text is no base64 or holds no bitmap.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).map_err(|e| format!("this is no base64: {e}"))?;
        Crowd::from_portable(&bytes)
    }

    /// The bitmap in its portable 64-bit form.
    pub fn to_portable(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.members.serialized_size());
        let _ = self.members.serialize_into(&mut bytes);
        bytes
    }

    /// Whether a user belongs to it.
    pub fn contains(&self, guid: u64) -> bool {
        self.members.contains(guid)
    }

    /// How many users belong to it.
    pub fn len(&self) -> u64 {
        self.members.len()
    }

    /// Whether nobody belongs to it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl PartialEq for Crowd {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Crowd {}

impl PartialOrd for Crowd {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Crowd {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl Serialize for Crowd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_portable())
    }
}

impl<'de> Deserialize<'de> for Crowd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        RoaringTreemap::deserialize_from(&bytes[..]).map(Crowd::new).map_err(serde::de::Error::custom)
    }
}
