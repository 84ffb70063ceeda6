//! Store: all keys of a worker that are in memory.
//!
//! **Invariants**
//! - `bytes` are those of all pieces and what they name, so they never drift.
//! - Of a key with timers exactly one is filed, the one that its block names. So the number of filed timers
//!   is bounded by that of keys, however often timers are set, and a place reused for another key has none.

mod ahead;

use std::collections::BTreeSet;

use compact_str::CompactString;

use super::{
    KeyBlock, OpenKey, RuleState,
    aside::{Aside, put_in},
    layout::{Layout, RuleParts},
    memory::Memory,
    piece::{Hints, Piece},
    rule_state::{Found, Recording},
    segments::Segments,
    table::Table,
};
use crate::{calculator::aggregate::weight::ALLOCATION, rule::book::RuleBook};

/// Bytes of a key's entry in the table of keys.
const ENTRY: usize = 8;

/// Place of a key in a [`Store`]; may be reused for another key once its own is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u32);

/// All keys of a worker, indexed by their routing hash.
#[derive(Debug, Default)]
pub struct Store {
    table: Table,
    blocks: Segments<KeyBlock>,
    free: Vec<u32>,
    /// Keys that have timers, by the deadlines that their blocks name.
    timers: BTreeSet<(i64, KeyId)>,
    memory: Memory,
    /// Layouts of pieces, by `key_by`.
    layouts: Vec<Layout>,
    aside: Aside,
    swept: usize,
    /// Rounds of the sweep that have begun.
    rounds: u64,
    hand: usize,
    weighs: bool,
    /// Bytes of keys without their pieces, if they are weighed.
    key_bytes: usize,
    /// Whether changes are recorded for checkpoints.
    records: bool,
    /// Keys of which only removals are left to be saved.
    leaving: usize,
}

impl Store {
    /// Number of keys, without those of which only removals are left to be saved.
    pub fn len(&self) -> usize {
        self.table.len() - self.leaving
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Finds a key's block, or makes one.
    pub fn entry(&mut self, hash: u64, group: u32, key: &str) -> KeyId {
        let Store { table, blocks, free, weighs, key_bytes, .. } = self;
        let same = |id: u32| {
            let block = &blocks[id as usize];
            block.hash == hash && block.group == group && *block.key == *key
        };
        if let Some(id) = table.find(hash, same) {
            return KeyId(id);
        }
        let listed = free.last().is_some_and(|id| blocks[*id as usize].listed);
        let block = KeyBlock::new(hash, group, key, listed);
        *key_bytes += if *weighs { weight(key) } else { 0 };
        let id = match free.pop() {
            Some(id) => {
                blocks[id as usize] = block;
                id
            }
            None => {
                let mut block = Some(block);
                blocks.add(1, || block.take().unwrap_or_default()) as u32
            }
        };
        table.insert(hash, id, |id| blocks[id as usize].hash);
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
        self.memory.weigh();
    }

    /// Approximate bytes of all keys and their states; 0 if the store does not weigh.
    pub fn bytes(&self) -> usize {
        if self.weighs { self.key_bytes + self.memory.bytes() } else { 0 }
    }

    /// Switches to the rules of `book`; returns the parts of each rule, by its position.
    pub fn install(&mut self, book: &RuleBook) -> Vec<RuleParts> {
        self.layouts.resize_with(book.keys.len().max(self.layouts.len()), Layout::default);
        let mut all = vec![RuleParts::default(); book.rules.len()];
        // Without keys there is nothing to be visited.
        let round = if self.is_empty() { u64::MAX } else { self.rounds };
        for (group, layout) in self.layouts.iter_mut().enumerate() {
            let rules = book.rules.iter().zip(&book.rule_key).enumerate();
            let own = rules.filter(|(_, (_, of))| **of as usize == group);
            let own = own.map(|(rule, (plan, _))| (rule as u32, &**plan));
            layout.install(own, round).into_iter().for_each(|(rule, parts)| all[rule as usize] = parts);
        }
        all
    }

    /// Starts to record changes for checkpoints; to be called before there are keys.
    pub fn record(&mut self, records: bool) {
        self.records = records;
    }

    /// Opens a key's state, to be read and changed, until it is [closed](OpenKey::close).
    #[inline(always)]
    pub fn open(&mut self, id: KeyId) -> OpenKey<'_> {
        let Store { blocks, memory, layouts, aside, records, leaving, .. } = self;
        let KeyBlock { key, piece, group, stored, .. } = &mut blocks[id.0 as usize];
        let layout = &layouts[*group as usize];
        aside.changed = false;
        let recording = match (*records, *stored) {
            (false, _) => Recording::Nothing,
            (true, false) => Recording::Changes,
            (true, true) => Recording::Removals,
        };
        *leaving -= usize::from(piece.is_leaving());
        let (hints, level) = (Hints::default(), Found::default());
        OpenKey { key, piece, memory, layout, aside, recording, stored, leaving, hints, level }
    }

    /// Calls `work` with a key's state, to be read and changed.
    pub fn with_key<T>(&mut self, id: KeyId, work: impl FnOnce(&mut OpenKey<'_>) -> T) -> T {
        let mut open = self.open(id);
        let result = work(&mut open);
        open.close();
        result
    }

    /// Number of conditions of which keys have a state.
    pub fn conditions(&self) -> usize {
        self.memory.conditions
    }

    /// Calls `work` with a state of a rule that belongs to no key of the store, and begins anew.
    pub fn aside<T>(
        &mut self,
        group: u32,
        parts: &RuleParts,
        work: impl FnOnce(&mut RuleState<'_>) -> T,
    ) -> T {
        let Store { memory, layouts, aside, .. } = self;
        let (mut piece, layout) = (Piece::default(), &layouts[group as usize]);
        let (recording, first) = (Recording::Nothing, 0);
        let (hints, level) = (&Hints::default(), &Found::default());
        let mut state =
            RuleState { piece: &mut piece, memory, aside, layout, parts, first, recording, hints, level };
        let result = work(&mut state);
        put_in(&mut piece, memory, layout, aside, 0);
        memory.free(piece, layout);
        result
    }

    /// Whether no memory is in use but that of keys' blocks.
    #[cfg(test)]
    pub(crate) fn is_clean(&self) -> bool {
        let pieces: usize = self.blocks.iter().map(|block| block.piece.bytes()).sum();
        self.memory.counts() == (0, 0) && self.memory.arena.bytes() == pieces
    }

    /// All keys, in no order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.table.ids().map(KeyId)
    }

    /// Next place in rotation, free ones included (their blocks are empty); the first follows the last.
    /// `None` if there are no places.
    pub fn next_in_turn(&mut self) -> Option<KeyId> {
        if self.places() == 0 {
            return None;
        }
        self.swept = (self.swept + 1) % self.blocks.len();
        self.rounds += u64::from(self.swept == 0);
        Some(KeyId(self.swept as u32))
    }

    /// Number of places for keys, free ones included.
    pub fn places(&self) -> usize {
        self.blocks.len()
    }

    /// Next place in rotation for eviction, independent of [`next_in_turn`](Self::next_in_turn).
    pub fn next_under_hand(&mut self) -> Option<KeyId> {
        if self.places() == 0 {
            return None;
        }
        self.hand = (self.hand + 1) % self.blocks.len();
        Some(KeyId(self.hand as u32))
    }

    /// Removes a key with all its states; `None` if its place is free.
    pub fn remove(&mut self, id: KeyId) -> Option<KeyBlock> {
        let Store { table, blocks, free, timers, memory, layouts, weighs, key_bytes, leaving, .. } = self;
        if !table.remove(blocks[id.0 as usize].hash, id.0, |id| blocks[id as usize].hash) {
            return None;
        }
        let block = &mut blocks[id.0 as usize];
        timers.remove(&(block.next_deadline, id));
        let free_place = KeyBlock { listed: block.listed, ..KeyBlock::default() };
        let mut block = std::mem::replace(block, free_place);
        *leaving -= usize::from(block.piece.is_leaving());
        memory.free(std::mem::take(&mut block.piece), &layouts[block.group as usize]);
        *key_bytes -= if *weighs { weight(&block.key) } else { 0 };
        free.push(id.0);
        Some(block)
    }

    /// Removes a key that has no state and whose last event lies before `before` (unix ms).
    pub fn remove_if_idle(&mut self, id: KeyId, before: i64) {
        let block = &self.blocks[id.0 as usize];
        if block.is_empty() && block.last_now < before {
            self.remove(id);
        }
    }

    /// Key in the place of index `n`; `None` if the place is free.
    pub fn at_place(&self, n: usize) -> Option<KeyId> {
        let id = u32::try_from(n).ok()?;
        self.blocks.get(n)?.used.then_some(KeyId(id))
    }
}

/// Bytes of a key without its piece.
fn weight(key: &str) -> usize {
    let text = CompactString::from(key);
    size_of::<KeyBlock>() + ENTRY + if text.is_heap_allocated() { key.len() + ALLOCATION } else { 0 }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
