//! Reload: records and timers that wait for keys on their way back into memory.
//!
//! **Invariants**
//! - Records of such a key wait in their order, with the capabilities of their epochs; nothing else waits for
//!   them.
//! - When the key is back, its records are evaluated, then the timers that the clock has passed meanwhile
//!   run. The outcome is that of not waiting, since a record always runs the timers before it first.
//! - A key is requested once at a time.
//!
//! Waiting records are bounded by the read-ahead of the sources, as all records are; keys that timers reload
//! are bounded by number.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use timely::scheduling::SyncActivator;

use crate::{
    model::{
        epoch::Epoch,
        routed::{Routed, RoutedRecord},
    },
    state::{delta::Change, evicted::EvictedKey},
};

/// Upper bound of keys being reloaded; at this number, timers reload no further ones.
const WOKEN: usize = 8_192;

/// Name and text of a state; no text if the state is deleted.
pub type NamedText = (String, Option<String>);

/// Request to reload a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The key.
    pub key: EvictedKey,
    /// Names of the states that the key may have.
    pub names: Arc<[String]>,
    /// States of blobs that are not compacted yet; they take precedence over those that are read.
    pub uncompacted: Vec<NamedText>,
}

/// States of a key as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The request.
    pub wanted: Wanted,
    /// Stored states: index of the name in the request, and text.
    pub texts: Vec<(usize, String)>,
}

impl Loaded {
    /// All states, in the order in which they are to be applied.
    pub fn states(&self) -> impl Iterator<Item = Change<'_>> {
        let Wanted { key, names, uncompacted } = &self.wanted;
        let read = self.texts.iter().filter_map(|(place, text)| {
            Some(Change { name: names.get(*place)?, key: &key.key, text: Some(text) })
        });
        read.chain(uncompacted.iter().map(|(name, text)| Change {
            name,
            key: &key.key,
            text: text.as_deref(),
        }))
    }
}

/// Reader of keys from the readable state, outside the worker thread; no method blocks.
pub trait Loader {
    /// Requests keys, in no order.
    fn request(&self, keys: Vec<Wanted>);

    /// Takes out the keys read since the last call, in no order.
    fn loaded(&self) -> Vec<Loaded>;

    /// Sets the operator to activate when keys are read.
    fn wakes(&self, activator: SyncActivator);
}

/// Bound of the memory of keys, and the reader of evicted keys.
pub struct Bounded {
    /// Approximate upper bound of the bytes of keys and states.
    pub bytes: usize,
    /// Reader of evicted keys.
    pub loader: Box<dyn Loader>,
}

/// Keys being reloaded and what waits for them; `C` are the capabilities of an epoch.
pub(super) struct Reloads<C> {
    loader: Box<dyn Loader>,
    waiting: HashMap<EvictedKey, Waiting<C>>,
    asked: Vec<Wanted>,
    loaded: VecDeque<Loaded>,
    records: usize,
}

/// End of the records of an epoch among those that wait for a key.
struct EpochEnd<C> {
    /// Index behind its last record.
    end: usize,
    epoch: Epoch,
    capability: C,
}

/// Records and timers that wait for one key.
pub(super) struct Waiting<C> {
    records: Routed,
    /// Ends of the records of each epoch, ascending.
    ends: Vec<EpochEnd<C>>,
    /// Capabilities of the clock that made a timer due.
    due: Option<C>,
}

impl<C> Default for Waiting<C> {
    fn default() -> Self {
        Waiting { records: Routed::default(), ends: Vec::new(), due: None }
    }
}

impl<C: Clone> Waiting<C> {
    /// The waiting records, each with the capabilities of its epoch.
    pub(super) fn records(&self) -> impl Iterator<Item = (RoutedRecord<'_>, &C)> {
        let mut ends = self.ends.iter();
        let mut current = ends.next();
        (0..self.records.len()).filter_map(move |i| {
            while current?.end <= i {
                current = ends.next();
            }
            Some((self.records.get(i)?, &current?.capability))
        })
    }

    /// Capabilities for timers that the clock has passed meanwhile; `None` if no timer waits for the key.
    pub(super) fn due(&self) -> Option<&C> {
        self.due.as_ref().or_else(|| self.ends.last().map(|last| &last.capability))
    }
}

impl<C: Clone> Reloads<C> {
    pub(super) fn new(loader: Box<dyn Loader>) -> Self {
        Reloads { loader, waiting: HashMap::new(), asked: Vec::new(), loaded: VecDeque::new(), records: 0 }
    }

    /// Whether no key is being reloaded.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of further keys that timers may reload now.
    pub(super) fn room(&self) -> usize {
        WOKEN.saturating_sub(self.waiting.len())
    }

    /// Number of waiting records.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    fn entry(&mut self, key: EvictedKey, request: impl FnOnce(EvictedKey) -> Wanted) -> &mut Waiting<C> {
        let Reloads { waiting, asked, .. } = self;
        waiting.entry(key).or_insert_with_key(|key| {
            asked.push(request(key.clone()));
            Waiting::default()
        })
    }

    /// Holds a record until its key is reloaded.
    pub(super) fn hold(
        &mut self,
        record: &RoutedRecord<'_>,
        (epoch, capability): (Epoch, &C),
        request: impl FnOnce(EvictedKey) -> Wanted,
    ) {
        let key = EvictedKey { group: record.key_group, hash: record.hash, key: record.key.into() };
        self.records += 1;
        let waiting = self.entry(key, request);
        waiting.records.push_record(record);
        let end = waiting.records.len();
        match waiting.ends.last_mut() {
            Some(last) if last.epoch == epoch => last.end = end,
            _ => waiting.ends.push(EpochEnd { end, epoch, capability: capability.clone() }),
        }
    }

    /// Reloads a key with a timer that the clock has passed.
    pub(super) fn wake(
        &mut self,
        key: EvictedKey,
        capability: &C,
        request: impl FnOnce(EvictedKey) -> Wanted,
    ) {
        self.entry(key, request).due.get_or_insert_with(|| capability.clone());
    }

    /// Reloads a key for a correction.
    pub(super) fn want(&mut self, key: EvictedKey, request: impl FnOnce(EvictedKey) -> Wanted) {
        self.entry(key, request);
    }

    /// Sends one request for all keys wanted since the last call.
    pub(super) fn request(&mut self) {
        if !self.asked.is_empty() {
            self.loader.request(std::mem::take(&mut self.asked));
        }
    }

    /// Next key that is read, with everything that waits for it.
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
