//! The rules feed: from a source of documents to change sets. One thread, in the process of worker 0.
//!
//! It polls the source, has the [`Register`] decide, and hands change sets to `control`, one at a time; what
//! changes meanwhile goes into the next. Rules whose calls fail beyond their budget are quarantined, and
//! rules that fire far beyond their usual rate are paused by the breaker.
//!
//! **Invariants**
//! - A pause, a resume or a retirement of a rule in force needs neither profiles nor scripts nor the
//!   compiler, and waits for none of them: those are the work of the [preparation](super::preparation)
//!   thread. It is in force with the next change set.
//! - The first change set has everything that the source lists first, as events are not read before. After a
//!   restart it has the rules of the checkpoint instead, as they were; what the source no longer has of them
//!   is then retired (`missing`). So a source that is away holds back no rule of the checkpoint.
//!
//! **Limits**: a change set waits until the one before is in force, which every process has to make a book
//! for. Writing states to the source blocks this thread.

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use operators::{
    document::put::Put,
    rule::register::{Listing, Next, Ordered, Register, Standing},
};
use sources::rules::{Change, RuleChange, RuleSource};

use super::{
    breaker::Breaker,
    inbox::{Inbox, Input},
    missing::Missing,
    preparation::{Outcome, Preparation, Preparer, Request, now},
    record::{Recorder, Switch},
    rule_log::RuleLog,
};
use crate::{
    protocol::{rules::Effect, time::Time},
    run::awaiting::Awaiting,
};

/// Name of the source, where it is waited for.
const RULES: &str = "the rules";
/// Shortest and longest time between two polls of the source.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// The parts of a feed.
pub struct Feed {
    /// Source of documents.
    pub source: Box<dyn RuleSource>,
    /// The rules, those of the checkpoint that is resumed to begin with.
    pub register: Register,
    /// Selects crowds and compiles.
    pub preparer: Preparer,
    /// Decides which rules fire too much.
    pub breaker: Breaker,
    /// To `control`.
    pub changes: mpsc::SyncSender<Ordered>,
    /// From `control`, and from the preparation.
    pub inbox: Inbox,
    /// Records what becomes of rules.
    pub log: RuleLog,
    /// Receives that the source is waited for.
    pub awaiting: Awaiting,
}

/// Time to wait after a poll that took so long: nine times as much, so that a folder of thousands of files costs
/// a tenth of a processor.
fn pause_after(poll: Duration) -> Duration {
    let [shortest, longest] = PAUSE;
    (poll * 9).clamp(shortest, longest)
}

/// Runs until `control` is gone.
pub fn run(feed: Feed) {
    RulesFeed::start(feed).run();
}

/// A feed at work.
struct RulesFeed {
    source: Box<dyn RuleSource>,
    register: Register,
    preparation: Preparation,
    missing: Missing,
    breaker: Breaker,
    changes: mpsc::SyncSender<Ordered>,
    inbox: Inbox,
    log: RuleLog,
    awaiting: Awaiting,
    time: Time,
    listing: Listing,
    /// When the oldest change that is not ordered was read.
    read: Instant,
    /// The same of the change set in flight.
    ordered: Instant,
}

impl RulesFeed {
    fn start(feed: Feed) -> Self {
        let Feed { source, register, preparer, breaker, changes, inbox, log, awaiting } = feed;
        RulesFeed {
            source,
            missing: Missing::new(register.rule_ids().map(str::to_owned)),
            time: preparer.time,
            preparation: Preparation::start(preparer, inbox.outcome_sender()),
            register,
            breaker,
            changes,
            inbox,
            log,
            awaiting,
            listing: Listing::First,
            read: Instant::now(),
            ordered: Instant::now(),
        }
    }

    fn run(mut self) {
        if self.register.is_resuming() {
            self.order();
        }
        loop {
            let begun = Instant::now();
            self.poll();
            self.order_when_due();
            let deadline = Instant::now() + self.pause_after(begun.elapsed());
            while let Some(input) = self.inbox.receive(deadline) {
                match input {
                    Input::Effect(effect) => self.effect(effect),
                    Input::Prepared(outcomes) => self.prepared(outcomes),
                    Input::Closed => return,
                }
                self.order_when_due();
            }
        }
    }

    /// Time to wait after a poll that took so long. While the first listing is prepared, no rule is in force
    /// that a change could concern, and the preparation needs the processor.
    fn pause_after(&self, poll: Duration) -> Duration {
        let prepares_first = self.listing == Listing::Later && self.register.is_new();
        if prepares_first { PAUSE[1] } else { pause_after(poll) }
    }

    /// Reads what has changed in the source.
    fn poll(&mut self) {
        match self.source.poll() {
            Ok(changes) => {
                if !self.register.has_changes() && self.preparation.is_idle() {
                    self.read = Instant::now();
                }
                self.awaiting.arrived(RULES);
                self.receive(changes);
            }
            Err(error) if error.is_away() => self.awaiting.note(RULES, error),
            Err(error) => self.log.warn(&format!("rules can't be read: {error}")),
        }
    }

    fn receive(&mut self, changes: Vec<RuleChange>) {
        for rule_id in self.missing.receive(&changes) {
            self.register.retire(&rule_id);
        }
        for RuleChange { origin, change } in changes {
            match change {
                Change::Put(put) => self.put(origin, put),
                Change::Remove { rule_id: Some(rule_id) } => {
                    self.preparation.supersede(&rule_id);
                    self.register.retire(&rule_id);
                }
                // It never was a rule.
                Change::Remove { rule_id: None } => {}
                Change::Unreadable { reason, .. } => self.log.rejected(&origin, &reason),
            }
        }
        self.listing = Listing::Later;
        self.preparation.begin();
    }

    /// Receives a put, which supersedes earlier ones of its rule.
    fn put(&mut self, origin: String, put: Put) {
        self.preparation.supersede(&put.rule_id);
        if let Next::Prepare { publish } = self.register.receive(&put, self.listing) {
            self.preparation.request(Request { origin, put, publish });
        }
    }

    /// Publishes the documents of a batch, and refuses those with faults.
    fn prepared(&mut self, outcomes: Vec<Outcome>) {
        for Outcome { origin, put, prepared } in self.preparation.finish(outcomes) {
            let published = prepared.and_then(|p| self.register.publish(&put, p, now(self.time)));
            if let Err(faults) = published {
                self.recorder().refused(&origin, &put, &faults);
            }
        }
        self.preparation.begin();
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::InForce { epoch, positions, faults } => {
                let Some(in_force) = self.register.in_force() else { return };
                let switch = Switch { epoch, positions, took: self.ordered.elapsed(), faults };
                let rules: Vec<Standing> = self.register.standing().collect();
                self.recorder().in_force(&in_force, &switch, &rules);
            }
            Effect::Failed(failure) => {
                let (rule_id, message) = (&failure.rule_id, &failure.message);
                let stopped = self.register.failed(rule_id, failure.count, message, Instant::now());
                if let Some(stopped) = stopped {
                    self.recorder().quarantined(&stopped);
                }
            }
            Effect::Fired(counts) => self.fired(&counts),
        }
    }

    /// Pauses rules that fire far beyond their usual rate.
    fn fired(&mut self, counts: &[(String, u64)]) {
        let now = Instant::now();
        for (rule_id, count) in counts {
            let reason = self.breaker.count(rule_id, *count, now);
            let paused = reason.and_then(|reason| self.register.pause_broken(rule_id, &reason));
            if let Some(paused) = paused {
                self.recorder().broken(&paused);
            }
        }
    }

    /// Orders the pending changes, unless it is the first time and the first listing is not complete.
    fn order_when_due(&mut self) {
        let listed = self.listing == Listing::Later && self.preparation.is_idle();
        if listed || !self.register.is_new() {
            self.order();
        }
    }

    fn order(&mut self) {
        if let Some(ordered) = self.register.order() {
            self.ordered = self.read;
            // There is room, as one set is in flight at a time. Once control is gone, the inbox says so.
            let _ = self.changes.send(ordered);
        }
    }

    fn recorder(&mut self) -> Recorder<'_> {
        Recorder { source: &mut *self.source, log: &self.log }
    }
}

#[cfg(test)]
mod tests;
