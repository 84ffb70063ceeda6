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

    /// What tells it from other crowds, in hexadecimal.
    pub fn digest(&self) -> String {
        format!("{:032x}", self.digest)
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

/// State of people who left a crowd is kept for so long (ms), in case they come back.
pub const KEPT_AFTER_LEAVING: i64 = 7 * 24 * 3_600_000;

/// People who left a crowd together and have not come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Departed {
    /// When, unix ms.
    pub at: i64,
    /// Who.
    pub guids: Crowd,
}

impl Departed {
    /// Whether a user's state, last touched then, is to be dropped by now. What was touched after the seven days is of somebody who
    /// came back.
    pub fn drops(&self, guid: u64, touched: i64, now: i64) -> bool {
        let until = self.at.saturating_add(KEPT_AFTER_LEAVING);
        now >= until && touched < until && self.guids.contains(guid)
    }

    /// What remains to be remembered when a crowd changes at `now`: who left now, and who left before, did not come back in time, and
    /// may still have state.
    pub fn after(
        former: &[Departed],
        before: Option<&Crowd>,
        crowd: Option<&Crowd>,
        now: i64,
    ) -> Vec<Departed> {
        // State is swept out bit by bit; a day is ample.
        let lasts = KEPT_AFTER_LEAVING + 24 * 3_600_000;
        let Some(crowd) = crowd else { return Vec::new() };
        let still_out = former.iter().filter(|d| now.saturating_sub(d.at) < lasts).map(|d| {
            let late = now.saturating_sub(d.at) >= KEPT_AFTER_LEAVING;
            if late { d.clone() } else { d.without(crowd) }
        });
        let leaving = before.map(|before| Departed { at: now, guids: before.clone() }.without(crowd));
        still_out.chain(leaving).filter(|d| !d.guids.is_empty()).collect()
    }

    fn without(&self, crowd: &Crowd) -> Departed {
        Departed { at: self.at, guids: Crowd::new(&*self.guids.members - &*crowd.members) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leavers_are_remembered_until_they_come_back() {
        let crowd = |guids: &[u64]| Crowd::new(guids.iter().copied().collect());
        let day = 24 * 3_600_000;
        let first = Departed::after(&[], Some(&crowd(&[1, 2, 3])), Some(&crowd(&[3])), 0);
        let second = Departed::after(&first, Some(&crowd(&[3])), Some(&crowd(&[2])), day);
        assert_eq!(
            second,
            [Departed { at: 0, guids: crowd(&[1]) }, Departed { at: day, guids: crowd(&[3]) }]
        );
        let drops = |guid, now| second.iter().any(|d| d.drops(guid, 0, now));
        assert!(!drops(1, 7 * day - 1) && drops(1, 7 * day) && !drops(3, 7 * day) && drops(3, 8 * day));
        assert!(!drops(2, 100 * day), "came back");
        let late = Departed::after(&second, Some(&crowd(&[2])), Some(&crowd(&[1, 2])), 7 * day);
        assert_eq!(late, second, "too late");
        assert!(
            late[0].drops(1, 7 * day - 1, 7 * day) && !late[0].drops(1, 7 * day, 100 * day),
            "begins anew"
        );
        let third = Departed::after(&second, Some(&crowd(&[2])), Some(&crowd(&[2])), 8 * day);
        assert_eq!(third, [Departed { at: day, guids: crowd(&[3]) }]);
        assert_eq!(Departed::after(&third, Some(&crowd(&[2])), None, 8 * day), []);
    }
}
