//! The bound of memory: which keys leave it, and how they come back.
//!
//! **Invariants**
//! - A key leaves memory only if the checkpoint that has its latest change is folded into the readable hashes. So what is read back
//!   from them is its state as it left.
//! - The highest `now` and the next timer of a key that left stay in memory ([`Evicted`]). So nothing that bears on outcomes
//!   depends on whether a key is in memory.
//! - Whoever evaluates records asks [`Evaluator::is_evicted`] first, and keeps the records of such a key until it is
//!   [reloaded](Evaluator::reload).
//! - Of what was restored at the start, texts of blobs that may not be folded yet stay in memory until they are: with their key, or,
//!   if that has left meanwhile, by themselves; then they count before what is read from the hashes.
//!
//! Keys leave by second chance (CLOCK): a hand goes round, and takes what was not used since it last came by.
//!
//! **Limits**: what was touched since the last folded checkpoint is in memory whatever the bound; so are keys without any state,
//! until the clock has passed them. Who left a crowd is remembered, for keys that are out of memory, within the limit of
//! [`Departed`](crate::rule::crowd::Departed). A key idle beyond `ttl` that is out of memory stays in the store until it is touched or
//! its rule retired. A rule that is edited to have a `ttl`, and whose states never said when they were touched, takes a key that is read
//! back as touched at the key's last event, or when the process began if that is later.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    Emitted, Evaluator, StateNames,
    saving::{find, read},
};
use crate::{
    model::{ids::CheckpointNumber, key},
    ops::reload::{Loaded, NamedText, Wanted},
    rule::book::RuleBook,
    state::{
        Evicted, KeyId, Origin, RuleState,
        delta::Change,
        evicted::{EvictedKey, Kept},
    },
};

/// How much may be in memory, and what is not.
#[derive(Debug, Default)]
pub(super) struct Memory {
    bound: Option<usize>,
    evicted: Evicted,
    names: StateNames,
    /// The names of states, by group of keys.
    of_group: HashMap<u32, Arc<[String]>>,
    /// Texts of blobs that may not be folded yet, of keys that left.
    unfolded: HashMap<(u32, Box<str>), Vec<NamedText>>,
    /// The checkpoint that was resumed, and its clock.
    resumed: CheckpointNumber,
    clock: Option<i64>,
    /// Checkpoints up to this one are folded.
    folded: CheckpointNumber,
    /// Places the hand passed in vain since anything could have changed that.
    in_vain: usize,
    reloads: u64,
}

/// Figures of the memory of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryGauge {
    /// Bytes of keys and states in memory, about; 0 without a bound.
    pub bytes: usize,
    /// Keys out of memory.
    pub evicted: usize,
    /// Keys read back so far.
    pub reloads: u64,
}

impl Memory {
    pub(super) fn install(&mut self, book: &RuleBook) {
        if self.bound.is_none() {
            return;
        }
        self.names = StateNames::of(book);
        let mut of_group: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (name, (rule, _)) in &self.names.0 {
            of_group.entry(book.rule_key[*rule]).or_default().push(name.clone());
        }
        self.of_group = of_group.into_iter().map(|(group, names)| (group, names.into())).collect();
    }

    /// The checkpoint that was resumed had this clock.
    pub(super) fn restored(&mut self, clock: i64) {
        self.clock = Some(clock);
    }

    /// See [`Evicted::hasten`].
    pub(super) fn hasten(&mut self, group: u32, from: i64, to: i64) {
        self.evicted.hasten(group, from, to);
    }
}

impl Evaluator {
    /// Bounds the memory of keys to so many bytes; to be called before there are any.
    pub fn bound(&mut self, bytes: usize) {
        self.store.weigh();
        self.memory.bound = Some(bytes);
        self.memory.install(&self.book);
    }

    /// Goes on from checkpoint `n`.
    pub fn resume(&mut self, n: CheckpointNumber) {
        self.memory.resumed = n;
        self.saved(n);
    }

    /// Checkpoints up to checkpoint `n` are folded.
    pub fn folded(&mut self, n: CheckpointNumber) {
        if n > self.memory.folded {
            (self.memory.folded, self.memory.in_vain) = (n, 0);
        }
        if n >= self.memory.resumed {
            self.memory.unfolded.clear();
        }
    }

    /// Figures of the memory of keys.
    pub fn memory(&self) -> MemoryGauge {
        let Memory { evicted, reloads, .. } = &self.memory;
        MemoryGauge { bytes: self.store.bytes(), evicted: evicted.len(), reloads: *reloads }
    }

    /// Whether a key has left memory and is not back.
    pub fn is_evicted(&self, hash: u64, group: u32, key: &str) -> bool {
        !self.memory.evicted.is_empty() && self.memory.evicted.contains(hash, group, key)
    }

    /// The key that a correction is of, if it is evicted; such a correction is to wait.
    pub fn awaits(&self, rule_id: &str, condition: &str, key: &str) -> Option<EvictedKey> {
        let (rule, _) = find(&self.book, rule_id, condition).ok()?;
        let group = self.book.rule_key[rule];
        let hash = key::route(self.book.key_seeds[group as usize], key);
        self.is_evicted(hash, group, key).then(|| EvictedKey { group, hash, key: key.into() })
    }

    /// What is to be read to have an evicted key back.
    pub fn wanted(&self, key: EvictedKey) -> Wanted {
        let names = self.memory.of_group.get(&key.group).cloned().unwrap_or_default();
        let unfolded = match self.memory.unfolded.is_empty() {
            true => None,
            false => self.memory.unfolded.get(&(key.group, key.key.clone())).cloned(),
        };
        Wanted { key, names, unfolded: unfolded.unwrap_or_default() }
    }

    /// Evicted keys with timers below `clock`, at most so many; each is given once. False if there are more.
    pub fn wake(&mut self, clock: i64, most: usize, due: &mut Vec<EvictedKey>) -> bool {
        for _ in 0..most {
            let Some(key) = self.memory.evicted.due(clock) else { return true };
            due.push(key);
        }
        false
    }

    /// If there is more in memory than may be, looks at so many places and lets go of what can leave.
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
        let recent = std::mem::take(&mut block.recent);
        let saved = block.changed_in <= self.memory.folded && block.rules.iter().all(|s| s.dirty == 0);
        !recent && saved && !block.rules.is_empty()
    }

    fn let_go(&mut self, id: KeyId) {
        let Some(block) = self.store.remove(id) else { return };
        let deadline = block.rules.iter().filter_map(|state| {
            let plan = &self.book.rules[self.book.at_slot(state.slot)?];
            state.is_of(plan).then(|| state.next_deadline(plan.publish))
        });
        let deadline = deadline.min().unwrap_or(i64::MAX);
        let touched = block.rules.iter().map(|state| state.touched).max().unwrap_or(i64::MIN);
        let key = EvictedKey { group: block.group, hash: block.hash, key: block.key };
        let last_now = block.last_now.max(touched);
        self.memory.evicted.insert(key, Kept { last_now, deadline, origin: block.origin });
    }

    /// Takes an evicted key back in; what can't be read is told in words.
    pub fn reload(&mut self, loaded: &Loaded, refused: &mut Vec<String>) -> KeyId {
        let EvictedKey { group, hash, key } = &loaded.wanted.key;
        let out = self.memory.evicted.remove(*hash, *group, key);
        let id = self.store.entry(*hash, *group, key);
        let Some(Kept { last_now, origin, .. }) = out else { return id };
        let book = Arc::clone(&self.book);
        for stored in loaded.states() {
            let Some((rule, condition)) = self.memory.names.0.get(stored.name).copied() else { continue };
            let plan = &*book.rules[rule];
            let mut state =
                self.store.take(id, plan.slot).unwrap_or_else(|| RuleState::fresh(plan, i64::MIN));
            refused.extend(read(&mut state, plan, condition, &book.fields, &stored).err());
            state.stored = true;
            self.store.put(id, state);
        }
        // A key that left while others still came in may have been touched later than those of its states that were in by then.
        let touched = last_now.max(self.memory.clock.unwrap_or(i64::MIN));
        self.settle_restored(id, if touched == i64::MIN { self.clock } else { touched });
        let block = self.store.block_mut(id);
        (block.last_now, block.origin, block.recent) = (block.last_now.max(last_now), origin, true);
        let folded = loaded.wanted.unfolded.is_empty();
        block.changed_in = if folded { CheckpointNumber::default() } else { self.memory.resumed };
        (self.memory.in_vain, self.memory.reloads) = (0, self.memory.reloads + 1);
        id
    }

    /// Runs the timers of a key that is back, as far as the clock has passed them.
    pub fn catch_up(&mut self, id: KeyId, out: &mut Emitted) {
        if self.store.block(id).next_deadline() < self.clock {
            self.run_key(id, self.clock, out);
        }
    }

    /// Takes in a stored state of a blob that may not be folded yet; of several of one state, the last.
    ///
    /// # Errors
    /// If the text is no such state.
    pub fn restore_unfolded(&mut self, names: &StateNames, stored: &Change<'_>) -> Result<(), String> {
        let Some((rule, _)) = names.0.get(stored.name).copied() else { return Ok(()) };
        let group = self.book.rule_key[rule];
        let hash = key::route(self.book.key_seeds[group as usize], stored.key);
        if self.is_evicted(hash, group, stored.key) {
            let text = (stored.name.to_owned(), stored.text.map(str::to_owned));
            self.memory.unfolded.entry((group, stored.key.into())).or_default().push(text);
        }
        let read = self.restore(names, stored);
        if !self.is_evicted(hash, group, stored.key) {
            let id = self.store.entry(hash, group, stored.key);
            self.store.block_mut(id).changed_in = self.memory.resumed;
        }
        read
    }

    /// A stored state of a key that left while others still came in: only its timers are of interest.
    pub(super) fn restore_evicted(
        &mut self,
        key: EvictedKey,
        (rule, condition): (usize, Option<usize>),
        stored: &Change<'_>,
    ) -> Result<(), String> {
        if condition.is_some() || stored.text.is_none() {
            return Ok(());
        }
        let plan = &*self.book.rules[rule];
        let mut state = RuleState::fresh(plan, i64::MIN);
        read(&mut state, plan, condition, &self.book.fields, stored)?;
        let (last_now, deadline) = (state.touched, state.next_deadline(plan.publish));
        self.memory.evicted.insert(key, Kept { last_now, deadline, origin: Origin::UNKNOWN });
        Ok(())
    }
}

#[cfg(test)]
#[path = "eviction_tests.rs"]
mod tests;
