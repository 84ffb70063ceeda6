//! Records and timers of keys that are being read back into memory.
//!
//! **Invariants**
//! - Records of such a key wait in their order, and keep what allows to emit at their epochs; nothing else waits for them.
//! - When the key is back, its records are evaluated, then the timers that the clock has passed meanwhile run: as it would have been
//!   without the wait, since a record runs the timers that lie before it in any case.
//! - A key is asked for once.
//!
//! Records that wait are bounded as all are, by how far sources read ahead of what is complete; keys that timers bring back by their
//! number.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use timely::scheduling::SyncActivator;

use crate::{
    model::routed::{Routed, RoutedRecord},
    state::{delta::Change, evicted::EvictedKey},
};

/// While so many keys are being read back, timers bring none.
const WOKEN: usize = 8_192;

/// A state's name, and its text if there is one.
pub type NamedText = (String, Option<String>);

/// A key that is to be read back, and which of its states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: EvictedKey,
    /// Names of the states that it may have.
    pub names: Arc<[String]>,
    /// States that count before what is read.
    pub unfolded: Vec<NamedText>,
}

/// What was read of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What was asked for.
    pub wanted: Wanted,
    /// The states that are there: the places of their names, and the texts.
    pub texts: Vec<(usize, String)>,
}

impl Loaded {
    /// All states, each to be read over those before it.
    pub fn states(&self) -> impl Iterator<Item = Change<'_>> {
        let Wanted { key, names, unfolded } = &self.wanted;
        let read = self.texts.iter().filter_map(|(place, text)| {
            Some(Change { name: names.get(*place)?, key: &key.key, text: Some(text) })
        });
        read.chain(unfolded.iter().map(|(name, text)| Change { name, key: &key.key, text: text.as_deref() }))
    }
}

/// Reads keys back, off the worker's hands.
pub trait Loader {
    /// Has keys read from the readable state.
    fn request(&self, keys: Vec<Wanted>);

    /// Keys that were read since the last call, in any order.
    fn loaded(&self) -> Vec<Loaded>;

    /// Whom to wake when keys are read.
    fn wakes(&self, activator: SyncActivator);
}

/// A bound of memory, and who reads back what left it.
pub struct Bounded {
    /// Bytes of keys and states, about.
    pub bytes: usize,
    /// Reads back.
    pub loader: Box<dyn Loader>,
}

/// What waits for keys; `C` is what allows to emit at an epoch.
pub(super) struct Reloads<C> {
    loader: Box<dyn Loader>,
    waiting: HashMap<EvictedKey, Waiting<C>>,
    asked: Vec<Wanted>,
    loaded: VecDeque<Loaded>,
    records: usize,
}

/// What waits for one key.
pub(super) struct Waiting<C> {
    records: Routed,
    /// Up to which of the records, the epoch, and what allows to emit there.
    at: Vec<(usize, u64, C)>,
    /// What allows to emit where the clock brought the key back.
    due: Option<C>,
}

impl<C> Default for Waiting<C> {
    fn default() -> Self {
        Waiting { records: Routed::default(), at: Vec::new(), due: None }
    }
}

impl<C: Clone> Waiting<C> {
    /// The records, each with what allows to emit at its epoch.
    pub(super) fn records(&self) -> impl Iterator<Item = (RoutedRecord<'_>, &C)> {
        let mut place = 0;
        (0..self.records.len()).filter_map(move |i| {
            while self.at.get(place)?.0 <= i {
                place += 1;
            }
            Some((self.records.get(i)?, &self.at.get(place)?.2))
        })
    }

    /// What allows to emit where timers run that the clock has passed; `None` if nobody waits for the key.
    pub(super) fn due(&self) -> Option<&C> {
        self.due.as_ref().or_else(|| self.at.last().map(|(_, _, capability)| capability))
    }
}

impl<C: Clone> Reloads<C> {
    pub(super) fn new(loader: Box<dyn Loader>) -> Self {
        Reloads { loader, waiting: HashMap::new(), asked: Vec::new(), loaded: VecDeque::new(), records: 0 }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many more keys may be brought back by timers now.
    pub(super) fn room(&self) -> usize {
        WOKEN.saturating_sub(self.waiting.len())
    }

    /// How many records wait.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    fn entry(&mut self, key: EvictedKey, ask: impl FnOnce(EvictedKey) -> Wanted) -> &mut Waiting<C> {
        let Reloads { waiting, asked, .. } = self;
        waiting.entry(key).or_insert_with_key(|key| {
            asked.push(ask(key.clone()));
            Waiting::default()
        })
    }

    /// A record waits for its key.
    pub(super) fn hold(
        &mut self,
        record: &RoutedRecord<'_>,
        (epoch, capability): (u64, &C),
        ask: impl FnOnce(EvictedKey) -> Wanted,
    ) {
        let key = EvictedKey { group: record.key_group, hash: record.hash, key: record.key.into() };
        self.records += 1;
        let waiting = self.entry(key, ask);
        waiting.records.push_record(record);
        let end = waiting.records.len();
        match waiting.at.last_mut() {
            Some(last) if last.1 == epoch => last.0 = end,
            _ => waiting.at.push((end, epoch, capability.clone())),
        }
    }

    /// The clock has passed a timer of a key.
    pub(super) fn wake(&mut self, key: EvictedKey, capability: &C, ask: impl FnOnce(EvictedKey) -> Wanted) {
        self.entry(key, ask).due.get_or_insert_with(|| capability.clone());
    }

    /// A key is to come back for a correction.
    pub(super) fn want(&mut self, key: EvictedKey, ask: impl FnOnce(EvictedKey) -> Wanted) {
        self.entry(key, ask);
    }

    /// Asks for what is wanted since the last call, all at once.
    pub(super) fn request(&mut self) {
        if !self.asked.is_empty() {
            self.loader.request(std::mem::take(&mut self.asked));
        }
    }

    /// A key that is read, and what waits for it.
    pub(super) fn next(&mut self) -> Option<(Loaded, Waiting<C>)> {
        if self.loaded.is_empty() {
            self.loaded.extend(self.loader.loaded());
        }
        let loaded = self.loaded.pop_front()?;
        let waiting = self.waiting.remove(&loaded.wanted.key).unwrap_or_default();
        self.records -= waiting.records.len();
        Some((loaded, waiting))
    }
}
