//! Restoring: stored state of the last checkpoint, before anything is evaluated.
//!
//! **Invariants**
//! - The first book names the stored state; state that arrives before that book is in force waits.
//! - Of two stored texts of one state, that of the higher order counts, in whatever order they arrive: texts
//!   of order 0 are restored at once, those of blobs that are not compacted yet only when all have arrived.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use super::{LOOKS, Schedule};
use crate::{
    ops::{
        evaluating::{Evaluator, StateNames},
        kit::Frontier,
        signal::{Start, Stored},
    },
    rule::book::RuleBook,
    state::delta::Change,
};

/// Upper bound of states restored per call once all have arrived.
pub(super) const RESTORED: usize = 8_192;

/// Stored state being restored.
#[derive(Default)]
pub(super) struct Restoring {
    start: Option<Arc<Start>>,
    /// Names of states, once the first book is in force.
    names: Option<StateNames>,
    /// State that arrived before the first book was in force.
    early: Vec<Stored>,
    /// State of blobs that are not compacted yet.
    late: HashMap<StateKey, Ordered>,
    /// Rest of the state of those blobs, once all has arrived.
    ending: Option<hash_map::IntoIter<StateKey, Ordered>>,
}

/// Name and key of a state.
#[derive(PartialEq, Eq, Hash)]
struct StateKey {
    name: String,
    key: String,
}

/// A stored text and its order; no text if the state is deleted.
#[derive(Default)]
struct Ordered {
    order: u64,
    text: Option<String>,
}

impl Restoring {
    /// Starts from a checkpoint.
    pub(super) fn begin(&mut self, start: Arc<Start>) {
        self.start = Some(start);
    }

    /// Whether the first book is in force.
    pub(super) fn has_names(&self) -> bool {
        self.names.is_some()
    }

    /// Restores states of order 0, keeps the latest text of others; returns the number of states.
    fn take(&mut self, stored: &Stored, evaluator: &mut Evaluator, log: &mut RestoreLog) -> usize {
        let Restoring { names: Some(names), late, .. } = self else { return 0 };
        for change in stored.states.changes() {
            if stored.order == 0 {
                log.note(evaluator.restore(names, &change));
                continue;
            }
            let state = StateKey { name: change.name.to_owned(), key: change.key.to_owned() };
            let known = late.entry(state).or_default();
            if known.order <= stored.order {
                *known = Ordered { order: stored.order, text: change.text.map(str::to_owned) };
            }
        }
        stored.states.len()
    }

    /// Restores the next states of blobs, once all have arrived, then finishes keys; returns false if there
    /// is more.
    fn finish(&mut self, evaluator: &mut Evaluator, log: &mut RestoreLog) -> bool {
        let Restoring { start: Some(start), names: Some(names), late, ending, .. } = self else {
            return false;
        };
        let late = ending.get_or_insert_with(|| std::mem::take(late).into_iter());
        for (StateKey { name, key }, Ordered { text, .. }) in late.by_ref().take(RESTORED) {
            let change = Change { name: &name, key: &key, text: text.as_deref() };
            log.note(evaluator.restore_uncompacted(names, &change));
        }
        late.len() == 0 && evaluator.finish_restoring(start.clock().0, RESTORED)
    }

    /// Whether the first book is in force and the checkpoint's clocks are known.
    fn is_ready(&self) -> bool {
        self.start.is_some() && self.names.is_some()
    }
}

impl<C: Clone> Schedule<C> {
    /// Restores stored state that has arrived.
    pub(in crate::ops) fn restore(&mut self, stored: impl Iterator<Item = Stored>) {
        let Some(restoring) = self.restoring.as_mut() else { return };
        if !restoring.has_names() {
            restoring.early.extend(stored);
            return;
        }
        let taken: usize = stored.map(|s| restoring.take(&s, &mut self.evaluator, &mut self.log)).sum();
        self.evaluator.evict(LOOKS * taken);
    }

    /// Restores stored state that arrived before `book`, the first one, was in force.
    pub(super) fn restore_early(&mut self, book: &RuleBook) {
        if let Some(restoring) = self.restoring.as_mut().filter(|restoring| !restoring.has_names()) {
            restoring.names = Some(StateNames::of(book));
            let early = std::mem::take(&mut restoring.early);
            self.restore(early.into_iter());
        }
    }

    /// Finishes restoring once all stored state has arrived, a bounded amount per call. Returns false if
    /// there is more to do at once.
    pub(super) fn finish_restoring(&mut self, stored: Frontier) -> bool {
        let Schedule { restoring: Some(restoring), evaluator, log, .. } = self else { return true };
        if !restoring.is_ready() || !stored.has_ended() {
            return true;
        }
        let finished = restoring.finish(evaluator, log);
        if finished {
            self.restoring = None;
        }
        finished
    }
}

/// Counts of restored states, and the reasons why states could not be read or corrected.
#[derive(Default)]
pub(super) struct RestoreLog {
    /// States restored from the last checkpoint.
    pub(super) restored: u64,
    /// Stored states that could not be read.
    pub(super) unreadable: u64,
    refused: Vec<String>,
}

impl RestoreLog {
    /// Records the result of restoring a state.
    fn note(&mut self, read: Result<(), String>) {
        self.restored += 1;
        if let Err(reason) = read {
            self.unreadable += 1;
            self.refused.push(reason);
        }
    }

    /// Records the states that `reload` could not read.
    pub(super) fn note_reload<R>(&mut self, reload: impl FnOnce(&mut Vec<String>) -> R) -> R {
        let before = self.refused.len();
        let reloaded = reload(&mut self.refused);
        self.unreadable += (self.refused.len() - before) as u64;
        reloaded
    }

    /// Records the reason of a refusal.
    pub(super) fn refuse(&mut self, reason: String) {
        self.refused.push(reason);
    }

    /// Takes out the reasons.
    pub(super) fn take_refused(&mut self) -> Vec<String> {
        std::mem::take(&mut self.refused)
    }
}
