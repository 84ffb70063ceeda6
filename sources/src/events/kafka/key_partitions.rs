//! Counts keys that lie in more than one partition.
//!
//! A rule's key has an exact order of events only while all its events come through one partition. Whether producers
//! keep to that can be seen here: a table of fixed size remembers by hash in which partition a key was seen first.
//!
//! **Limits**: it is a sketch. A newer key takes the place of an older one in the same slot, so a key may be forgotten
//! between two sightings and its move be missed, or counted again later. Partitions are told apart modulo 32768.

use xxhash_rust::xxh3::xxh3_64;

/// Bits of an entry that hold the partition.
const PARTITION: u64 = (1 << 15) - 1;
/// Set once the entry's key was counted.
const COUNTED: u64 = 1 << 15;
/// Bits of an entry that tell its key from others.
const TAG: u64 = !(PARTITION | COUNTED);

/// A bounded memory of keys and their partitions.
#[derive(Clone, Debug)]
pub struct KeyPartitions {
    /// Zero is empty; a tag is never zero.
    slots: Box<[u64]>,
    split: u64,
}

impl KeyPartitions {
    /// Room for about this many keys, 8 bytes each; rounded up to a power of two, at most 2^28.
    pub fn new(keys: usize) -> Self {
        let slots = keys.clamp(1, 1 << 28).next_power_of_two();
        KeyPartitions { slots: vec![0; slots].into_boxed_slice(), split: 0 }
    }

    /// Takes note of one record's key; true if this is the moment at which the key is found in a second partition.
    pub fn see(&mut self, key: &[u8], partition: u32) -> bool {
        let hash = xxh3_64(key);
        // The slot comes from the low bits, which the tag leaves out.
        let tag = (hash & TAG).max(PARTITION + COUNTED + 1);
        let partition = u64::from(partition) & PARTITION;
        let at = (hash as usize) & (self.slots.len() - 1);
        let Some(slot) = self.slots.get_mut(at) else { return false };
        if *slot & TAG != tag {
            *slot = tag | partition;
            return false;
        }
        let moved = *slot & COUNTED == 0 && *slot & PARTITION != partition;
        if moved {
            *slot |= COUNTED;
            self.split += 1;
        }
        moved
    }

    /// Keys found in more than one partition so far.
    pub fn split(&self) -> u64 {
        self.split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_two_partitions_counts_once() {
        let mut keys = KeyPartitions::new(1 << 12);
        assert!(!keys.see(b"a", 1));
        assert!(!keys.see(b"b", 2));
        assert!(!keys.see(b"a", 1));
        assert!(keys.see(b"a", 0));
        assert!(!keys.see(b"a", 1));
        assert!(!keys.see(b"a", 7));
        assert!(!keys.see(b"b", 2));
        assert_eq!(keys.split(), 1);
    }

    #[test]
    fn keys_that_stay_are_never_counted_however_full_the_table_is() {
        let mut keys = KeyPartitions::new(256);
        for round in 0..3 {
            for guid in 0..100_000_u32 {
                assert!(!keys.see(guid.to_string().as_bytes(), guid % 12), "round {round}");
            }
        }
        assert_eq!(keys.split(), 0);
    }

    #[test]
    fn nearly_all_keys_that_move_are_found_while_there_is_room() {
        let mut keys = KeyPartitions::new(1 << 20);
        for partition in [0, 1] {
            for guid in 0..10_000_u32 {
                keys.see(guid.to_string().as_bytes(), partition);
            }
        }
        assert!((9_800..=10_000).contains(&keys.split()), "{}", keys.split());
    }
}
