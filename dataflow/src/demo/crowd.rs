//! Crowds of the demo: bitmaps of about three users in ten, the same on every machine.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use roaring::RoaringTreemap;
use xxhash_rust::xxh3::xxh3_64;

/// Audience of a rule of the demo. Guids are 1 to the number of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody, with or without a guid: risk rules, whose events often lack one.
    Everybody,
    /// The first three users in ten, among them the busiest: a run in the bitmap.
    Busy,
    /// Three users in ten by a hash of rule and guid, like the result of a query over many tags.
    Scattered,
}

impl Audience {
    /// The members among `users` users, as a portable 64-bit roaring bitmap in base64; `None` for everybody.
    pub(super) fn bitmap(self, rule_id: &str, users: u64) -> Option<String> {
        let members: RoaringTreemap = match self {
            Audience::Everybody => return None,
            Audience::Busy => (1..=users * 3 / 10).collect(),
            Audience::Scattered => {
                let seed = xxh3_64(rule_id.as_bytes());
                (1..=users).filter(|guid| scatter(seed, *guid) % 10 < 3).collect()
            }
        };
        let mut bytes = Vec::with_capacity(members.serialized_size());
        // Writing into memory does not fail.
        let _ = members.serialize_into(&mut bytes);
        Some(STANDARD.encode(bytes))
    }
}

/// Hash of a guid that scatters neighbours (the last step of `SplitMix64`).
const fn scatter(seed: u64, guid: u64) -> u64 {
    let z = seed.wrapping_add(guid.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
