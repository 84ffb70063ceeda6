//! Eviction and reload: the keys that leave memory under its bound, and their return.
//!
//! **Invariants**
//! - A key leaves memory only if the checkpoint with its latest change is compacted into the readable hashes.
//!   So the state read back from them is its state when it left.
//! - The highest `now` and the next timer of an evicted key stay in memory ([`Evicted`]). So no outcome
//!   depends on whether a key is in memory.
//! - Callers that evaluate records first ask [`Evaluator::is_evicted`], and hold the records of an evicted
//!   key until it is [reloaded](Evaluator::reload).
//! - Of the state restored at the start, texts of blobs that may not be compacted yet stay in memory until
//!   they are: with their key or, if that has left meanwhile, by themselves; then they take precedence over
//!   texts read from the hashes.
//!
//! Keys are evicted by second chance (CLOCK): a hand goes round, and evicts what was not used since its last
//! visit.
//!
//! **Limits**: state touched since the last compacted checkpoint is in memory whatever the bound; so are keys
//! without any state, until the clock has passed them. People who left a crowd are remembered, for evicted
//! keys, within the limit of [`Departed`](crate::rule::crowd::Departed). An evicted key idle beyond `ttl`
//! stays in the store until it is touched or its rule retired.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Evaluator, StateNames, correcting::find, names::StatePart, restoring::read};
use crate::{
    model::{ids::CheckpointNumber, key},
    ops::reload::{Loaded, NamedText, Wanted},
    rule::book::RuleBook,
    state::{
        Evicted, KeyId, Origin,
        delta::Change,
        evicted::{EvictedKey, Kept},
    },
};

/// Bound of memory, and the evicted keys.
#[derive(Debug, Default)]
pub(super) struct Memory {
    bound: Option<usize>,
    evicted: Evicted,
    names: StateNames,
    /// Names of states, by group of keys.
    of_group: HashMap<u32, Arc<[String]>>,
    /// Texts of blobs that may not be compacted yet, of evicted keys.
    uncompacted: HashMap<(u32, Box<str>), Vec<NamedText>>,
    /// Checkpoint that was resumed; 0 if none was.
    resumed: CheckpointNumber,
    /// Clock of that checkpoint, unix ms.
    clock: Option<i64>,
    /// Checkpoints up to this one are compacted.
    compacted: CheckpointNumber,
    /// Places visited in vain since the last change that could make a key evictable.
    in_vain: usize,
    reloads: u64,
}

/// Figures of the memory of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryGauge {
    /// Approximate bytes of keys and states in memory; 0 without a bound.
    pub bytes: usize,
    /// Number of evicted keys.
    pub evicted: usize,
    /// Keys reloaded so far.
    pub reloads: u64,
}

impl Memory {
    pub(super) fn install(&mut self, book: &RuleBook) {
        if self.bound.is_none() {
            return;
        }
        self.names = StateNames::of(book);
        let mut of_group: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (name, part) in self.names.iter() {
            of_group.entry(book.rule_key[part.rule]).or_default().push(name.clone());
        }
        self.of_group = of_group.into_iter().map(|(group, names)| (group, names.into())).collect();
    }

    /// Records the clock of the checkpoint that was resumed, unix ms.
    pub(super) fn restored(&mut self, clock: i64) {
        self.clock = Some(clock);
    }

    /// See [`Evicted::hasten`].
    pub(super) fn hasten(&mut self, group: u32, from: i64, to: i64) {
        self.evicted.hasten(group, from, to);
    }
}

impl Evaluator {
    /// Bounds the memory of keys to `bytes`; to be called before there are any.
    pub fn bound(&mut self, bytes: usize) {
        self.store.weigh();
        self.memory.bound = Some(bytes);
        self.memory.install(&self.book);
    }

    /// Records that checkpoint `n` is resumed.
    pub fn resume(&mut self, n: CheckpointNumber) {
        self.memory.resumed = n;
        self.saved(n);
    }

    /// Records that checkpoints up to `n` are compacted.
    pub fn compacted(&mut self, n: CheckpointNumber) {
        if n > self.memory.compacted {
            (self.memory.compacted, self.memory.in_vain) = (n, 0);
        }
        if n >= self.memory.resumed {
            self.memory.uncompacted.clear();
        }
    }

    /// Figures of the memory of keys.
    pub fn memory(&self) -> MemoryGauge {
        let Memory { evicted, reloads, .. } = &self.memory;
        MemoryGauge { bytes: self.store.bytes(), evicted: evicted.len(), reloads: *reloads }
    }

    /// Whether a key is evicted.
    pub fn is_evicted(&self, hash: u64, group: u32, key: &str) -> bool {
        !self.memory.evicted.is_empty() && self.memory.evicted.contains(hash, group, key)
    }

    /// Key that a correction concerns, if it is evicted: then the correction must wait for it.
    pub fn awaits(&self, rule_id: &str, condition: &str, key: &str) -> Option<EvictedKey> {
        let (rule, _) = find(&self.book, rule_id, condition).ok()?;
        let group = self.book.rule_key[rule];
        let hash = key::route(self.book.key_seeds[group as usize], key);
        self.is_evicted(hash, group, key).then(|| EvictedKey { group, hash, key: key.into() })
    }

    /// Request to reload an evicted key.
    pub fn wanted(&self, key: EvictedKey) -> Wanted {
        let names = self.memory.of_group.get(&key.group).cloned().unwrap_or_default();
        let uncompacted = match self.memory.uncompacted.is_empty() {
            true => None,
            false => self.memory.uncompacted.get(&(key.group, key.key.clone())).cloned(),
        };
        Wanted { key, names, uncompacted: uncompacted.unwrap_or_default() }
    }

    /// Appends evicted keys with timers below `clock` (unix ms) to `due`, at most `most`; each once. Returns
    /// false if there are more.
    pub fn wake(&mut self, clock: i64, most: usize, due: &mut Vec<EvictedKey>) -> bool {
        for _ in 0..most {
            let Some(key) = self.memory.evicted.due(clock) else { return true };
            due.push(key);
        }
        false
    }

    /// Evicts keys while memory is above its bound; visits at most `looks` places.
    pub fn evict(&mut self, looks: usize) {
        let Some(bound) = self.memory.bound.filter(|bound| self.store.bytes() > *bound) else { return };
        let enough = bound - bound / 20;
        for _ in 0..looks {
            if self.store.bytes() <= enough || self.memory.in_vain >= 2 * self.store.places() {
                return;
            }
            let Some(id) = self.store.next_under_hand() else { return };
            if self.can_leave(id) {
                self.let_go(id);
                self.memory.in_vain = 0;
            } else {
                self.memory.in_vain += 1;
            }
        }
    }

    fn can_leave(&mut self, id: KeyId) -> bool {
        let block = self.store.block_mut(id);
        let recent = block.take_recent();
        let saved = block.changed_in() <= self.memory.compacted;
        let empty = block.is_empty();
        !recent && saved && !empty && !self.store.with_key(id, |open| open.is_dirty())
    }

    fn let_go(&mut self, id: KeyId) {
        let Evaluator { book, store, parts, scratch, memory, .. } = self;
        let (touched, deadline) = store.with_key(id, |open| {
            scratch.rules.clear();
            open.rules_with_level(&mut scratch.rules);
            let (mut touched, mut deadline) = (i64::MIN, i64::MAX);
            for rule in scratch.rules.iter().map(|rule| *rule as usize) {
                let mut state = open.rule(&parts[rule]);
                touched = touched.max(state.touched());
                deadline = deadline.min(state.next_deadline(&book.rules[rule]));
            }
            (touched, deadline)
        });
        let Some(block) = store.remove(id) else { return };
        let (key, kept) = block.into_evicted(deadline);
        memory.evicted.insert(key, Kept { last_now: kept.last_now.max(touched), ..kept });
    }

    /// Restores an evicted key; reasons why states could not be read are appended to `refused`.
    pub fn reload(&mut self, loaded: &Loaded, refused: &mut Vec<String>) -> KeyId {
        let EvictedKey { group, hash, key } = &loaded.wanted.key;
        let out = self.memory.evicted.remove(*hash, *group, key);
        let id = self.store.entry(*hash, *group, key);
        let Some(kept) = out else { return id };
        for stored in loaded.states() {
            if let Some(part) = self.memory.names.part(stored.name) {
                refused.extend(self.restore_part(id, part, &stored).err());
            }
        }
        // A key that left while restoring still went on may have been touched later than those of its states
        // that had been restored by then.
        let touched = kept.last_now.max(self.memory.clock.unwrap_or(i64::MIN));
        self.finish_key(id, if touched == i64::MIN { self.clock } else { touched });
        let compacted = loaded.wanted.uncompacted.is_empty();
        let changed_in = if compacted { CheckpointNumber::default() } else { self.memory.resumed };
        self.store.block_mut(id).reloaded(&kept, changed_in);
        (self.memory.in_vain, self.memory.reloads) = (0, self.memory.reloads + 1);
        id
    }

    /// Restores a stored state of a blob that may not be compacted yet: of several texts of one state, the
    /// last.
    ///
    /// # Errors
    /// If the text is not a state of that name.
    pub fn restore_uncompacted(&mut self, names: &StateNames, stored: &Change<'_>) -> Result<(), String> {
        let Some(part) = names.part(stored.name) else { return Ok(()) };
        let group = self.book.rule_key[part.rule];
        let hash = key::route(self.book.key_seeds[group as usize], stored.key);
        if self.is_evicted(hash, group, stored.key) {
            let text = (stored.name.to_owned(), stored.text.map(str::to_owned));
            self.memory.uncompacted.entry((group, stored.key.into())).or_default().push(text);
        }
        let read = self.restore(names, stored);
        if !self.is_evicted(hash, group, stored.key) {
            let id = self.store.entry(hash, group, stored.key);
            self.store.block_mut(id).set_changed_in(self.memory.resumed);
        }
        read
    }

    /// Restores a stored state of a key that was evicted while restoring still went on: only its timers
    /// matter.
    pub(super) fn restore_evicted(
        &mut self,
        key: EvictedKey,
        part: StatePart,
        stored: &Change<'_>,
    ) -> Result<(), String> {
        if part.condition.is_some() || stored.text.is_none() {
            return Ok(());
        }
        let Evaluator { book, store, parts, memory, .. } = self;
        let plan = &*book.rules[part.rule];
        let (last_now, deadline) = store.aside(key.group, &parts[part.rule], |state| {
            read(state, plan, part.condition, &book.fields, stored)?;
            Ok::<_, String>((state.touched(), state.next_deadline(plan)))
        })?;
        memory.evicted.insert(key, Kept { last_now, deadline, origin: Origin::UNKNOWN });
        Ok(())
    }
}

#[cfg(test)]
#[path = "eviction_tests.rs"]
mod tests;
