//! Table of keys by routing hash: open addressing with linear probing.
//!
//! A slot holds 32 bits of the hash beside the number of the key, so nothing but the slot is read of keys
//! that are not the one. In contrast to a table of a library its slots can be fetched ahead of their use.
//!
//! **Invariants**
//! - The way from a key's home slot to its own has no empty slot: a removal moves back what follows.
//! - At most three of four slots are in use, so every search ends.
//!
//! The home slot is taken from the upper half of the hash, since all keys of a worker agree on what decides
//! their owner, which the lower bits may do alone.

use crate::processor::{huge_pages, prefetch};

/// Number that no key has.
const EMPTY: u32 = u32::MAX;

/// Least number of slots, once there are any.
const LEAST: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Lower half of the hash.
    tag: u32,
    id: u32,
}

/// Numbers of keys by hash.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// As many as a power of two, or none.
    slots: Vec<Slot>,
    len: usize,
}

impl Table {
    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn home(&self, hash: u64) -> usize {
        (hash >> 32) as usize & self.slots.len().wrapping_sub(1)
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Fetches the slots in which a search for `hash` begins.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        if let Some(slot) = self.slots.get(self.home(hash)) {
            prefetch(slot);
        }
    }

    /// Slot of the key of that hash for which `same` holds.
    #[inline]
    fn slot(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = self.home(hash);
        loop {
            let Slot { tag, id } = self.slots[at];
            if id == EMPTY {
                return None;
            }
            if tag == hash as u32 && same(id) {
                return Some(at);
            }
            at = self.after(at);
        }
    }

    /// Number of the key of that hash for which `same` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.slot(hash, same).map(|at| self.slots[at].id)
    }

    /// A number of a key with the same lower half of the hash, or else of none, from the first slot alone: to
    /// fetch what the key will need.
    #[inline]
    pub(super) fn guess(&self, hash: u64) -> Option<u32> {
        let slot = self.slots.get(self.home(hash))?;
        (slot.id != EMPTY && slot.tag == hash as u32).then_some(slot.id)
    }

    /// Adds a key that is not there; `hash_of` gives the hashes of those that are.
    pub(super) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let length = (self.slots.len() * 2).max(LEAST);
            let mut slots = Vec::with_capacity(length);
            huge_pages(slots.spare_capacity_mut());
            slots.resize(length, Slot { tag: 0, id: EMPTY });
            let former = std::mem::replace(&mut self.slots, slots);
            former
                .iter()
                .filter(|slot| slot.id != EMPTY)
                .for_each(|slot| self.put(hash_of(slot.id), slot.id));
        }
        self.put(hash, id);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, id: u32) {
        let mut at = self.home(hash);
        while self.slots[at].id != EMPTY {
            at = self.after(at);
        }
        self.slots[at] = Slot { tag: hash as u32, id };
    }

    /// Removes a key; `hash_of` gives the hashes of the others. Returns whether it was there.
    pub(super) fn remove(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) -> bool {
        let Some(mut hole) = self.slot(hash, |own| own == id) else { return false };
        let mut at = self.after(hole);
        while self.slots[at].id != EMPTY {
            // How far a slot lies behind the home of its key, and behind the hole.
            let behind = |from: usize| at.wrapping_sub(from) & (self.slots.len() - 1);
            if behind(self.home(hash_of(self.slots[at].id))) >= behind(hole) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.slots[hole].id = EMPTY;
        self.len -= 1;
        true
    }

    /// Numbers of all keys, in no order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().map(|slot| slot.id).filter(|id| *id != EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few homes and equal tags: long ways, holes in them, and ways around the end.
        #[test]
        fn a_table_is_a_map(steps in prop::collection::vec((any::<bool>(), 0..40u32, 0..5u64, 0..3u64), 0..300)) {
            let (mut table, mut there) = (Table::default(), BTreeMap::new());
            for (adds, id, home, tag) in steps {
                let hash = (home * 7) << 32 | tag;
                let hash_of = |there: &BTreeMap<u32, u64>, id: u32| there[&id];
                match there.get(&id).copied() {
                    Some(own) => {
                        prop_assert_eq!(table.find(own, |found| found == id), Some(id));
                        if !adds {
                            prop_assert!(table.remove(own, id, |id| hash_of(&there, id)));
                            there.remove(&id);
                        }
                    }
                    None if adds => {
                        table.insert(hash, id, |id| hash_of(&there, id));
                        there.insert(id, hash);
                    }
                    None => prop_assert!(!table.remove(hash, id, |id| hash_of(&there, id))),
                }
                let mut ids: Vec<u32> = table.ids().collect();
                ids.sort_unstable();
                prop_assert_eq!(ids, there.keys().copied().collect::<Vec<_>>());
                for (id, hash) in &there {
                    prop_assert_eq!(table.find(*hash, |found| found == *id), Some(*id));
                }
                prop_assert_eq!(table.len(), there.len());
            }
        }
    }
}
