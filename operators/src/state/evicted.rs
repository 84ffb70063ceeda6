//! Evicted keys: a stub each, and the timers that reload them.
//!
//! **Invariants**
//! - A key is in the [`Store`](super::Store) or has a stub, never both. While it is read back the stub stays.
//! - A stub stands for its key by 96 bits of two independent hashes: of ten million keys two would collide
//!   once in 10¹⁵ times. So a key that was never evicted is never read back, and a deleted state whose
//!   deletion is not compacted yet is not revived from the store.
//! - A stub keeps what is not saved: the key's last `now` and its next timer, which affect outcomes, and its
//!   origin.
//!
//! **Limit**: a stub takes about 45 bytes, and 100 more and the key's text while it has a timer; these bytes
//! do not count towards the memory bound.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Origin;

/// Seed of the second hash.
const CHECK: u64 = 0x7374_7562;

/// Keys out of memory, indexed by their hashes.
#[derive(Debug, Default)]
pub struct Evicted {
    stubs: HashTable<Stub>,
    /// Group and text of keys with a timer, by deadline and the two hashes.
    timers: BTreeMap<(i64, u64, u32), (u32, Box<str>)>,
}

#[derive(Debug)]
struct Stub {
    hash: u64,
    last_now: i64,
    deadline: i64,
    check: u32,
    origin: Origin,
}

/// Unsaved part of a key that is out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its highest `now`, unix ms.
    pub last_now: i64,
    /// Its next timer, unix ms; `i64::MAX` if there is none.
    pub deadline: i64,
    /// The partition that its records come from.
    pub origin: Origin,
}

/// A key that is not in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EvictedKey {
    /// Number of its `key_by` in the catalog.
    pub group: u32,
    /// Routing hash.
    pub hash: u64,
    /// The key's text.
    pub key: Box<str>,
}

fn check(group: u32, key: &str) -> u32 {
    xxh3_64_with_seed(key.as_bytes(), CHECK ^ u64::from(group)) as u32
}

impl Evicted {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.stubs.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.stubs.is_empty()
    }

    fn find(&self, hash: u64, group: u32, key: &str) -> Option<&Stub> {
        self.stubs.find(hash, |stub| stub.hash == hash && stub.check == check(group, key))
    }

    /// Whether a key is evicted.
    pub fn contains(&self, hash: u64, group: u32, key: &str) -> bool {
        self.find(hash, group, key).is_some()
    }

    /// Adds a key that leaves memory. One that is already out takes the later `now` and the earlier timer,
    /// and keeps its origin.
    pub fn insert(&mut self, key: EvictedKey, kept: Kept) {
        let former = self.remove(key.hash, key.group, &key.key);
        let Kept { last_now, deadline, origin } = former.map_or(kept, |former| Kept {
            last_now: kept.last_now.max(former.last_now),
            deadline: kept.deadline.min(former.deadline),
            origin: former.origin,
        });
        let EvictedKey { group, hash, key } = key;
        let check = check(group, &key);
        if deadline < i64::MAX {
            self.timers.insert((deadline, hash, check), (group, key));
        }
        self.stubs.insert_unique(hash, Stub { hash, last_now, deadline, check, origin }, |stub| stub.hash);
    }

    /// Removes a key that is back in memory; returns what was kept for it, `None` if it was not out.
    pub fn remove(&mut self, hash: u64, group: u32, key: &str) -> Option<Kept> {
        let check = check(group, key);
        let found = self.stubs.find_entry(hash, |stub| stub.hash == hash && stub.check == check);
        let (Stub { last_now, deadline, origin, .. }, _) = found.ok()?.remove();
        self.timers.remove(&(deadline, hash, check));
        Some(Kept { last_now, deadline, origin })
    }

    /// Moves timers of a group's keys to `to` if they are later than `to`, but not later than `from`.
    pub fn hasten(&mut self, group: u32, from: i64, to: i64) {
        let all = (to, u64::MAX, u32::MAX)..=(from, u64::MAX, u32::MAX);
        let of_group = self.timers.range(all).filter(|(_, (g, _))| *g == group).map(|(at, _)| *at);
        for (deadline, hash, check) in of_group.collect::<Vec<_>>() {
            let Some(key) = self.timers.remove(&(deadline, hash, check)) else { continue };
            self.timers.insert((to, hash, check), key);
            if let Some(stub) = self.stubs.find_mut(hash, |stub| stub.hash == hash && stub.check == check) {
                stub.deadline = to;
            }
        }
    }

    /// Next key with a timer below `clock` (unix ms). It is returned once, and stays evicted until it is
    /// removed.
    pub fn due(&mut self, clock: i64) -> Option<EvictedKey> {
        let first = self.timers.first_entry().filter(|first| first.key().0 < clock)?;
        let ((_, hash, check), (group, key)) = first.remove_entry();
        if let Some(stub) = self.stubs.find_mut(hash, |stub| stub.hash == hash && stub.check == check) {
            stub.deadline = i64::MAX;
        }
        Some(EvictedKey { group, hash, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hash: u64, key: &str) -> EvictedKey {
        EvictedKey { group: 0, hash, key: key.into() }
    }

    fn kept(last_now: i64, deadline: i64) -> Kept {
        Kept { last_now, deadline, origin: Origin::UNKNOWN }
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let mut evicted = Evicted::default();
        evicted.insert(key(7, "a"), kept(5, i64::MAX));
        assert!(evicted.contains(7, 0, "a") && !evicted.contains(7, 0, "b") && !evicted.contains(7, 1, "a"));
        evicted.insert(key(7, "b"), kept(6, i64::MAX));
        assert_eq!(evicted.remove(7, 0, "a"), Some(kept(5, i64::MAX)));
        assert_eq!((evicted.len(), evicted.remove(7, 0, "a")), (1, None));
    }

    #[test]
    fn a_timer_brings_its_key_back_once_and_in_order() {
        let mut evicted = Evicted::default();
        evicted.insert(key(1, "late"), kept(0, 30));
        evicted.insert(key(2, "soon"), kept(0, 10));
        evicted.insert(key(3, "back"), kept(0, 5));
        evicted.insert(key(4, "none"), kept(0, i64::MAX));
        evicted.remove(3, 0, "back");
        assert_eq!(evicted.due(10), None, "a timer is due when the clock has passed it");
        assert_eq!(evicted.due(31), Some(key(2, "soon")));
        assert_eq!(evicted.due(31), Some(key(1, "late")));
        assert_eq!((evicted.due(31), evicted.len()), (None, 3));
    }

    #[test]
    fn timers_of_a_group_are_put_sooner() {
        let mut evicted = Evicted::default();
        for (hash, deadline) in [(1, 20), (2, 30), (3, 31), (4, 9)] {
            evicted.insert(key(hash, "k"), kept(0, deadline));
        }
        evicted.insert(EvictedKey { group: 1, ..key(5, "k") }, kept(0, 25));
        evicted.hasten(0, 30, 10);
        let due: Vec<_> = std::iter::from_fn(|| evicted.due(11)).map(|key| key.hash).collect();
        assert_eq!(due, [4, 1, 2]);
        assert_eq!(
            (evicted.remove(3, 0, "k"), evicted.due(26).map(|key| key.hash)),
            (Some(kept(0, 31)), Some(5))
        );
    }

    #[test]
    fn a_key_put_out_twice_has_the_later_now_and_the_earlier_timer() {
        let mut evicted = Evicted::default();
        evicted.insert(key(1, "a"), kept(9, 20));
        evicted.insert(key(1, "a"), kept(4, 10));
        assert_eq!((evicted.due(15), evicted.due(99)), (Some(key(1, "a")), None));
        assert_eq!(evicted.remove(1, 0, "a"), Some(kept(9, i64::MAX)));
    }
}
