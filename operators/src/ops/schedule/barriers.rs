//! Barriers: passing switches, checkpoints and corrections.

use std::sync::Arc;

use super::Schedule;
use crate::{
    model::{
        epoch::Epoch,
        ids::{BookGeneration, CheckpointNumber},
    },
    ops::{
        evaluating::route_correction,
        kit::Frontier,
        route::owner,
        signal::{Barrier, Correction},
    },
};

/// Upper bound of states saved per call.
const SAVED: usize = 8_192;

/// Outcome of an attempt to pass a barrier.
pub(super) enum Passed {
    /// The barrier is not due, or there is none.
    Not,
    /// There is more to do.
    Partly,
    /// The barrier is passed.
    Wholly,
}

impl<C: Clone> Schedule<C> {
    /// Passes the next barrier, if it is due at this frontier of routed records.
    pub(super) fn pass(&mut self, routed: Frontier) -> Passed {
        let Some((at, barrier)) = self.barriers.front() else { return Passed::Not };
        let at = *at;
        if self.announced.is_none_or(|announced| announced < at) || !routed.has_reached(at) {
            return Passed::Not;
        }
        if self.reloads.as_ref().is_some_and(|reloads| !reloads.is_empty()) {
            return Passed::Not;
        }
        let passed = match barrier.clone() {
            Barrier::Switch { generation } => self.switch(generation, at),
            Barrier::Checkpoint { .. } | Barrier::Correct(_) if self.restoring.is_some() => Passed::Not,
            Barrier::Checkpoint { number } => self.checkpoint(number),
            Barrier::Correct(corrections) => self.correct_all(&corrections),
        };
        if matches!(passed, Passed::Wholly) {
            self.barriers.pop_front();
        }
        passed
    }

    /// Puts the book of `generation` in force. The first book names the stored state, so the second waits
    /// until all of it is restored.
    fn switch(&mut self, generation: BookGeneration, at: Epoch) -> Passed {
        if self.restoring.as_ref().is_some_and(|restoring| restoring.has_names()) {
            return Passed::Not;
        }
        let Some(applied) = self.shelf.applied(generation) else { return Passed::Not };
        self.evaluator.install(Arc::clone(&applied.book));
        (self.gauge.generation, self.gauge.since_epoch) = (generation, at);
        self.restore_early(&applied.book);
        Passed::Wholly
    }

    fn checkpoint(&mut self, number: CheckpointNumber) -> Passed {
        if self.evaluator.has_unsaved() {
            self.emissions.save_state(number, self.evaluator.save(SAVED));
            return Passed::Partly;
        }
        self.emissions.end_checkpoint(number);
        self.evaluator.saved(number);
        Passed::Wholly
    }

    fn correct_all(&mut self, corrections: &[Correction]) -> Passed {
        if self.reload_corrected(corrections) {
            return Passed::Not;
        }
        corrections.iter().for_each(|correction| self.correct(correction));
        Passed::Wholly
    }

    /// Requests the evicted keys that corrections concern. Returns whether there are any.
    fn reload_corrected(&mut self, corrections: &[Correction]) -> bool {
        let Schedule { evaluator, reloads: Some(reloads), .. } = self else { return false };
        let mut any = false;
        for c in corrections {
            if let Some(key) = evaluator.awaits(&c.rule_id, &c.condition, &c.key) {
                any = true;
                reloads.want(key, |key| evaluator.wanted(key));
            }
        }
        any
    }

    /// Corrects a state, if this worker owns its key. An invalid correction is refused by the first worker
    /// alone.
    fn correct(&mut self, c: &Correction) {
        let place = self.place;
        let text = c.text.as_deref();
        let done = match route_correction(self.evaluator.book(), &c.rule_id, &c.condition, &c.key, text) {
            Ok(hash) if owner(hash, place.peers) == place.index => {
                self.evaluator.correct(&c.rule_id, &c.condition, &c.key, text)
            }
            Err(reason) if place.index == 0 => Err(reason),
            Ok(_) | Err(_) => Ok(()),
        };
        if let Err(reason) = done {
            self.log.refuse(format!("a correction by {}: {reason}", c.by));
        }
    }
}
