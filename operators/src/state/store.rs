//! All keys of a worker that are in memory.
//!
//! **Invariant**: what a store [weighs](Store::weigh), its states bring with them when they are put in and take along when they are
//! taken out. So `bytes` never drifts; a state that is changed in place is weighed again when it is next put in.
//!
//! **Invariant**: of a key that has timers one is filed, the one that its block names. So timers take what the keys do, however
//! often they are set, and a place that is given to another key has none.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::{Origin, RuleState, weight};
use crate::model::ids::CheckpointNumber;

/// Where a key lies in a [`Store`]. May come to mean another key once its own was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u32);

/// Everything remembered of one key.
#[derive(Debug, Default)]
pub struct KeyBlock {
    /// Routing hash.
    pub hash: u64,
    /// Which `key_by`, by its number in the catalog.
    pub group: u32,
    /// The key's text.
    pub key: Box<str>,
    /// Highest `now` seen, unix ms.
    pub last_now: i64,
    next_deadline: i64,
    /// The checkpoint that has the latest change, or will have it; 0 if that lies before the start, `u64::MAX` if there was none.
    pub changed_in: CheckpointNumber,
    /// The partition that its records come from.
    pub origin: Origin,
    /// Whether the place is a key's.
    used: bool,
    /// Whether it was used since eviction last looked at it.
    pub recent: bool,
    /// Whether the place is listed as changed. That is of the place: it stays when the place goes to another key.
    pub listed: bool,
    /// The rules it has met, ascending by slot.
    pub rules: Vec<RuleState>,
}

impl KeyBlock {
    /// The key's next timer as it is filed, unix ms; `i64::MAX` if there is none. Never later than the true one.
    pub fn next_deadline(&self) -> i64 {
        self.next_deadline
    }

    /// The position of a rule's state.
    pub fn position(&self, slot: u32) -> Option<usize> {
        self.rules.binary_search_by_key(&slot, |r| r.slot).ok()
    }
}

/// All keys of a worker, found by their routing hash.
#[derive(Debug, Default)]
pub struct Store {
    table: HashTable<u32>,
    blocks: Vec<KeyBlock>,
    free: Vec<u32>,
    /// Keys that have timers, by the deadlines that their blocks name.
    timers: BTreeSet<(i64, KeyId)>,
    swept: usize,
    hand: usize,
    weighs: bool,
    bytes: usize,
}

impl Store {
    /// How many keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The key's block, made if there is none.
    pub fn entry(&mut self, hash: u64, group: u32, key: &str) -> KeyId {
        let Store { table, blocks, free, weighs, bytes, .. } = self;
        let same = |id: &u32| {
            let block = &blocks[*id as usize];
            block.hash == hash && block.group == group && *block.key == *key
        };
        if let Some(id) = table.find(hash, same) {
            return KeyId(*id);
        }
        let listed = free.last().is_some_and(|id| blocks[*id as usize].listed);
        let block = KeyBlock {
            hash,
            group,
            key: key.into(),
            last_now: i64::MIN,
            next_deadline: i64::MAX,
            changed_in: CheckpointNumber(u64::MAX),
            origin: Origin::UNKNOWN,
            used: true,
            recent: false,
            listed,
            rules: Vec::new(),
        };
        *bytes += if *weighs { weight::of_key(key) } else { 0 };
        let id = match free.pop() {
            Some(id) => {
                blocks[id as usize] = block;
                id
            }
            None => {
                blocks.push(block);
                (blocks.len() - 1) as u32
            }
        };
        table.insert_unique(hash, id, |id| blocks[*id as usize].hash);
        KeyId(id)
    }

    /// A key's block.
    pub fn block(&self, id: KeyId) -> &KeyBlock {
        &self.blocks[id.0 as usize]
    }

    /// A key's block, to be changed.
    pub fn block_mut(&mut self, id: KeyId) -> &mut KeyBlock {
        &mut self.blocks[id.0 as usize]
    }

    /// Files a key's next timer: its deadline (unix ms), or `i64::MAX` if it has none any more.
    pub fn file(&mut self, id: KeyId, deadline: i64) {
        let Store { blocks, timers, .. } = self;
        let former = std::mem::replace(&mut blocks[id.0 as usize].next_deadline, deadline);
        if former == deadline {
            return;
        }
        timers.remove(&(former, id));
        if deadline < i64::MAX {
            timers.insert((deadline, id));
        }
    }

    /// A timer of a key is due at `deadline` (unix ms): files it, unless one that is sooner is filed.
    pub fn file_sooner(&mut self, id: KeyId, deadline: i64) {
        if deadline < self.block(id).next_deadline {
            self.file(id, deadline);
        }
    }

    /// Files timers of a group's keys at `to` that are filed later, but not later than `from`.
    pub fn hasten(&mut self, group: u32, from: i64, to: i64) {
        let filed = self.timers.range((to, KeyId(u32::MAX))..=(from, KeyId(u32::MAX)));
        let of_group = filed.map(|(_, id)| *id).filter(|id| self.block(*id).group == group);
        for id in of_group.collect::<Vec<_>>() {
            self.file_sooner(id, to);
        }
    }

    /// The earliest timer that is filed, and its key, if it is due below `clock`.
    pub fn due(&self, clock: i64) -> Option<(i64, KeyId)> {
        self.timers.first().copied().filter(|(deadline, _)| *deadline < clock)
    }

    /// How many keys have a timer.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Weighs what is put in from now on; to be called while it is empty.
    pub fn weigh(&mut self) {
        self.weighs = true;
    }

    /// Bytes of all keys and their states, about; 0 if nothing is weighed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a key's state of a rule out, to be put back after use.
    pub fn take(&mut self, id: KeyId, slot: u32) -> Option<RuleState> {
        let block = &mut self.blocks[id.0 as usize];
        let state = block.position(slot).map(|position| block.rules.remove(position))?;
        self.bytes -= state.weight as usize;
        Some(state)
    }

    /// Puts a key's state of a rule in.
    pub fn put(&mut self, id: KeyId, mut state: RuleState) {
        if self.weighs {
            state.weight = weight::of_state(&state);
            self.bytes += state.weight as usize;
        }
        let rules = &mut self.blocks[id.0 as usize].rules;
        match rules.binary_search_by_key(&state.slot, |r| r.slot) {
            Ok(i) => self.bytes -= std::mem::replace(&mut rules[i], state).weight as usize,
            Err(i) => rules.insert(i, state),
        }
    }

    /// Keeps those of a key's states that are to be kept.
    pub fn retain(&mut self, id: KeyId, mut keep: impl FnMut(&RuleState) -> bool) {
        let Store { blocks, bytes, .. } = self;
        blocks[id.0 as usize].rules.retain(|state| {
            let keep = keep(state);
            *bytes -= if keep { 0 } else { state.weight as usize };
            keep
        });
    }

    /// States of a key were let go that weighed so much.
    pub fn lighten(&mut self, weight: usize) {
        self.bytes -= weight;
    }

    /// All blocks in use.
    pub fn blocks(&self) -> impl Iterator<Item = &KeyBlock> {
        self.table.iter().map(|id| &self.blocks[*id as usize])
    }

    /// The place after the one looked at last, going round and round; a free one has an empty block. `None` if there are none.
    pub fn next_in_turn(&mut self) -> Option<KeyId> {
        if self.blocks.is_empty() {
            return None;
        }
        self.swept = (self.swept + 1) % self.blocks.len();
        Some(KeyId(self.swept as u32))
    }

    /// How many places for keys there are, free ones included.
    pub fn places(&self) -> usize {
        self.blocks.len()
    }

    /// As [`next_in_turn`](Self::next_in_turn), with a hand of its own.
    pub fn next_under_hand(&mut self) -> Option<KeyId> {
        if self.blocks.is_empty() {
            return None;
        }
        self.hand = (self.hand + 1) % self.blocks.len();
        Some(KeyId(self.hand as u32))
    }

    /// Takes a key out with all its states; `None` if its place is free.
    pub fn remove(&mut self, id: KeyId) -> Option<KeyBlock> {
        let Store { table, blocks, free, timers, weighs, bytes, .. } = self;
        let block = &mut blocks[id.0 as usize];
        table.find_entry(block.hash, |i| *i == id.0).ok()?.remove();
        timers.remove(&(block.next_deadline, id));
        let free_place = KeyBlock { listed: block.listed, ..KeyBlock::default() };
        let block = std::mem::replace(block, free_place);
        if *weighs {
            let states: usize = block.rules.iter().map(|state| state.weight as usize).sum();
            *bytes -= weight::of_key(&block.key) + states;
        }
        free.push(id.0);
        Some(block)
    }

    /// Deletes a key that has no state left and was last seen before `before`.
    pub fn remove_if_idle(&mut self, id: KeyId, before: i64) {
        let block = &self.blocks[id.0 as usize];
        if block.rules.is_empty() && block.last_now < before {
            self.remove(id);
        }
    }

    /// The key in the n-th place; `None` if that is free.
    pub fn at_place(&self, n: usize) -> Option<KeyId> {
        let id = u32::try_from(n).ok()?;
        self.blocks.get(n)?.used.then_some(KeyId(id))
    }
}
