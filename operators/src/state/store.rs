//! Store: all keys of a worker that are in memory.
//!
//! **Invariants**
//! - Where a store [weighs](Store::weigh), each state adds its weight when it is put in and subtracts the
//!   same weight when it is taken out; a [change](Store::change) in place exchanges its former weight for
//!   the new one. So `bytes` never drifts; a state changed otherwise is weighed again when it is next put in
//!   or changed.
//! - Of a key with timers exactly one is filed, the one that its block names. So the number of filed timers
//!   is bounded by that of keys, however often timers are set, and a place reused for another key has none.

use std::collections::BTreeSet;

use hashbrown::HashTable;

use super::{KeyBlock, RuleState, weight};

/// Place of a key in a [`Store`]; may be reused for another key once its own is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u32);

/// All keys of a worker, indexed by their routing hash.
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
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Finds a key's block, or makes one.
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
        let block = KeyBlock::new(hash, group, key, listed);
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

    /// A key's block, mutable.
    pub fn block_mut(&mut self, id: KeyId) -> &mut KeyBlock {
        &mut self.blocks[id.0 as usize]
    }

    /// Files a key's next timer: its deadline (unix ms), or `i64::MAX` for none.
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

    /// Files a timer of a key with this deadline (unix ms), unless an earlier one is filed.
    pub fn file_sooner(&mut self, id: KeyId, deadline: i64) {
        if deadline < self.block(id).next_deadline {
            self.file(id, deadline);
        }
    }

    /// Moves filed timers of a group's keys to `to` if they are later than `to`, but not later than `from`.
    pub fn hasten(&mut self, group: u32, from: i64, to: i64) {
        let filed = self.timers.range((to, KeyId(u32::MAX))..=(from, KeyId(u32::MAX)));
        let of_group = filed.map(|(_, id)| *id).filter(|id| self.block(*id).group == group);
        for id in of_group.collect::<Vec<_>>() {
            self.file_sooner(id, to);
        }
    }

    /// Deadline and key of the earliest filed timer, if it is due below `clock`.
    pub fn due(&self, clock: i64) -> Option<(i64, KeyId)> {
        self.timers.first().copied().filter(|(deadline, _)| *deadline < clock)
    }

    /// Number of keys that have a timer.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Starts to weigh; to be called while the store is empty.
    pub fn weigh(&mut self) {
        self.weighs = true;
    }

    /// Approximate bytes of all keys and their states; 0 if the store does not weigh.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes out a key's state for the rule in a slot, to be put back after use.
    pub fn take(&mut self, id: KeyId, slot: u32) -> Option<RuleState> {
        let block = &mut self.blocks[id.0 as usize];
        let state = block.position(slot).ok().map(|position| block.rules.remove(position))?;
        self.bytes -= state.weight as usize;
        Some(state)
    }

    /// Puts in a key's state of a rule, replacing the present one.
    pub fn put(&mut self, id: KeyId, mut state: RuleState) {
        if self.weighs {
            state.weight = weight::of_state(&state);
            self.bytes += state.weight as usize;
        }
        let block = &mut self.blocks[id.0 as usize];
        match block.position(state.slot) {
            Ok(i) => self.bytes -= std::mem::replace(&mut block.rules[i], state).weight as usize,
            Err(i) => block.rules.insert(i, state),
        }
    }

    /// Changes a key's state for the rule in a slot in place; `change` receives the key's text too, and
    /// returns whether the state is kept. Returns false if there is no state.
    pub fn change(
        &mut self,
        id: KeyId,
        slot: u32,
        change: impl FnOnce(&str, &mut RuleState) -> bool,
    ) -> bool {
        let Store { blocks, bytes, weighs, .. } = self;
        let block = &mut blocks[id.0 as usize];
        let Ok(position) = block.position(slot) else { return false };
        let state = &mut block.rules[position];
        *bytes -= state.weight as usize;
        let kept = change(&block.key, state);
        if kept {
            state.weight = if *weighs { weight::of_state(state) } else { 0 };
            *bytes += state.weight as usize;
        } else {
            block.rules.remove(position);
        }
        true
    }

    /// Visits a key's states in place, ascending by slot, with the key's text; drops those for which `keep`
    /// is false.
    pub fn retain(&mut self, id: KeyId, mut keep: impl FnMut(&str, &mut RuleState) -> bool) {
        let Store { blocks, bytes, .. } = self;
        let KeyBlock { key, rules, .. } = &mut blocks[id.0 as usize];
        rules.retain_mut(|state| {
            let keep = keep(key, state);
            *bytes -= if keep { 0 } else { state.weight as usize };
            keep
        });
    }

    /// All blocks in use, in no order.
    pub fn blocks(&self) -> impl Iterator<Item = &KeyBlock> {
        self.table.iter().map(|id| &self.blocks[*id as usize])
    }

    /// Next place in rotation, free ones included (their blocks are empty); the first follows the last.
    /// `None` if there are no places.
    pub fn next_in_turn(&mut self) -> Option<KeyId> {
        if self.blocks.is_empty() {
            return None;
        }
        self.swept = (self.swept + 1) % self.blocks.len();
        Some(KeyId(self.swept as u32))
    }

    /// Number of places for keys, free ones included.
    pub fn places(&self) -> usize {
        self.blocks.len()
    }

    /// Next place in rotation for eviction, independent of [`next_in_turn`](Self::next_in_turn).
    pub fn next_under_hand(&mut self) -> Option<KeyId> {
        if self.blocks.is_empty() {
            return None;
        }
        self.hand = (self.hand + 1) % self.blocks.len();
        Some(KeyId(self.hand as u32))
    }

    /// Removes a key with all its states; `None` if its place is free.
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

    /// Removes a key that has no state and whose last event lies before `before` (unix ms).
    pub fn remove_if_idle(&mut self, id: KeyId, before: i64) {
        let block = &self.blocks[id.0 as usize];
        if block.rules.is_empty() && block.last_now < before {
            self.remove(id);
        }
    }

    /// Key in the place of index `n`; `None` if the place is free.
    pub fn at_place(&self, n: usize) -> Option<KeyId> {
        let id = u32::try_from(n).ok()?;
        self.blocks.get(n)?.used.then_some(KeyId(id))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
