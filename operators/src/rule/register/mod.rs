//! The register: all rules of an engine, the outcome of each put, and the resulting change sets.
//!
//! A pure state machine without I/O or clock; instants are arguments. The rules feed drives it from a rule
//! store, the property tests drive it directly.
//!
//! ```text
//! store ──Put──► receive ──Prepare──► (crowd selected, rule compiled) ──Prepared──► publish ─┐
//!                   │ pause, resume, retire                                                   ▼
//! engine ─failures, breaker──────────────────────────────────────────────────────────► pending changes
//!                                               in_force ◄── book switched ◄── Ordered ◄── order
//! ```
//!
//! **Invariants**
//! 1. A pause, a resume and a retirement need nothing but the rule in force: [`receive`](Register::receive)
//!    applies them at once, and the rule itself is otherwise unchanged. A put with the status *paused* pauses
//!    the rule in force even if its document differs or is refused.
//! 2. A refused document has no other effect: it is never passed to [`publish`](Register::publish).
//! 3. No number is used twice while a rule is remembered, nor for a rule's states at all: dropped state
//!    (`Ordered::dropped`) is never named again, whatever versions the store counts.
//! 4. A change set has at most one change per rule, ascending by id, and at most one set is in flight.
//! 5. A restart needs [`Ordered::remembered`] and nothing else: a register made from it orders the same
//!    changes from then on. Only the error budget, which covers the last minute, begins anew.
//! 6. A quarantined rule stays quarantined over a restart: the first listing of a store counts as no change.
//!
//! - `left`: of retired rules, the highest number that they have used
//! - `pauses`: the current pause of a rule, and the pauses that do not count
//! - `succession`: what a version takes over from the one before it
//! - `failures`: the error budget
//! - `prepared`: a document that can be published
//! - `changes`: from pending changes to those in force

mod changes;
mod failures;
mod left;
mod pauses;
mod prepared;
mod succession;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use self::{changes::Changes, failures::Failures, pauses::Pauses};
pub use self::{
    changes::{InForce, Ordered, Standing},
    prepared::Prepared,
};
use super::{change::Published, lineage::Successor, remembered::Remembered};
use crate::{
    document::{
        fault::Faults,
        lifecycle::{Gap, Status},
        put::Put,
    },
    model::ids::BookGeneration,
};

/// All rules, and their changes that are not in force yet.
///
/// ```
/// use std::collections::BTreeMap;
/// use strateye_operators::{
///     document::{lifecycle::{Gap, Status}, put::Put, spec::Rule},
///     rule::{compiler::Compiler, register::{Listing, Next, Prepared, Register}},
/// };
///
/// let (mut register, compiler, now) = (Register::new(1_000), Compiler::default(), 1_766_000_000_000);
/// let put = Put {
///     rule_id: "r".into(),
///     document: r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#.into(),
///     status: Status::Online,
///     version: None,
///     gap: Gap::Replay,
/// };
/// if let Next::Prepare { publish } = register.receive(&put, Listing::Later) {
///     let rule = Rule::parse(&put.document)?;
///     let publish = publish.unwrap_or(now);
///     let prepared = Prepared::compile(&rule, None, BTreeMap::new(), publish, &compiler)?;
///     register.publish(&put, prepared, now)?;
/// }
/// let ordered = register.order().expect("a change is pending");
/// assert_eq!(ordered.set.changes.len(), 1);
/// assert_eq!(register.in_force().expect("it was in flight").changed[0].version, 1);
/// # Ok::<(), strateye_operators::document::fault::Faults>(())
/// ```
#[derive(Debug)]
pub struct Register {
    rules: BTreeMap<String, Entry>,
    changes: Changes,
    error_budget: u64,
}

#[derive(Debug)]
struct Entry {
    rule: Remembered,
    failures: Failures,
}

/// The listing of a store that a put is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The first listing since the start: the state of every rule, not a change.
    First,
    /// A later listing: somebody has changed something.
    Later,
}

/// Next step that a put requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Nothing more to do.
    Done,
    /// The document has to be prepared and published, or refused. A later put or retirement of the rule
    /// supersedes it.
    Prepare {
        /// The instant the rule was first published, unix ms; `None` if this is its first publish.
        publish: Option<i64>,
    },
}

impl Register {
    /// A register without rules. `error_budget` is the number of calls of a rule that may fail within a
    /// minute.
    pub fn new(error_budget: u64) -> Self {
        Register::from_remembered(Vec::new(), error_budget)
    }

    /// Makes a register with the rules of a checkpoint; its first change set puts those in force again.
    pub fn from_remembered(remembered: Vec<Remembered>, error_budget: u64) -> Self {
        let changes = Changes::resuming(remembered.iter());
        let entry = |rule: Remembered| {
            (rule.published.rule_id.clone(), Entry { rule, failures: Failures::default() })
        };
        Register { rules: remembered.into_iter().map(entry).collect(), changes, error_budget }
    }

    /// Receives a put: pauses, resumes or retires the rule in force by its status, and returns whether its
    /// document has to be prepared.
    pub fn receive(&mut self, put: &Put, listing: Listing) -> Next {
        if put.status == Status::Retired {
            self.retire(&put.rule_id);
            return Next::Done;
        }
        let Some(Entry { rule, .. }) = self.rules.get(&put.rule_id) else {
            return Next::Prepare { publish: None };
        };
        let same =
            succession::is_of(rule, put) && succession::version(Some(rule), put) == rule.published.version;
        let (in_force, publish) = (rule.in_force, rule.publish());
        let stopped = rule.quarantined.is_some() || rule.broken.is_some();
        if same && listing == Listing::First && stopped {
            return Next::Done;
        }
        if same || put.status == Status::Paused {
            self.set_status(put);
        }
        if same && in_force { Next::Done } else { Next::Prepare { publish } }
    }

    /// Publishes a put for which [`receive`](Register::receive) returned [`Next::Prepare`]; `now` is in unix
    /// ms.
    ///
    /// # Errors
    /// If the document is that of another rule.
    pub fn publish(&mut self, put: &Put, prepared: Prepared, now: i64) -> Result<(), Faults> {
        let Prepared { compiled, crowd } = prepared;
        let plan = compiled.plan();
        if plan.id() != put.rule_id {
            let message = format!("is `{}`; write `{}`, as the store calls it", plan.id(), put.rule_id);
            return Err(Faults::one("rule_id", message));
        }
        let former = self.rules.get(&put.rule_id).map(|entry| &entry.rule);
        let in_force = former.filter(|former| former.in_force);
        let (version, edited) =
            (succession::version(former, put), succession::edits(former, put, crowd.as_ref()));
        let departed = succession::departed(former, crowd.as_ref(), plan, now);
        let departures = !departed.is_empty();
        let successor = Successor { plan, version, edited, departed: departures, at: now };
        let left = left::highest(self.rule(left::LEFT));
        let lineage = succession::lineage(former, &successor, left);
        let kept: BTreeSet<String> = lineage.names(&put.rule_id).into_iter().collect();
        let before = in_force.map(|rule| rule.published.lineage.names(&put.rule_id)).unwrap_or_default();
        self.changes.drop_states(before.into_iter().filter(|name| !kept.contains(name)));
        let pauses = in_force.map(Pauses::of).unwrap_or_default().under(put.status, put.gap);
        let published = Published {
            rule_id: put.rule_id.clone(),
            version,
            document: Arc::clone(&compiled.input().document),
            publish: compiled.input().publish,
            scripts: compiled.input().scripts.clone(),
            pause: pauses.current,
            skipped: pauses.skipped,
            departed,
            lineage,
            crowd,
        };
        self.changes.put(&published, Some(Arc::clone(&compiled)));
        let rule = Remembered {
            published,
            document: Some(put.document.digest()),
            in_force: true,
            quarantined: None,
            broken: None,
            pauses: pauses.count,
        };
        self.rules.insert(put.rule_id.clone(), Entry { rule, failures: Failures::default() });
        Ok(())
    }

    /// Retires a rule, if one of that id exists. Its state is dropped.
    pub fn retire(&mut self, rule_id: &str) {
        let Some(Entry { rule, .. }) = self.rules.get_mut(rule_id) else { return };
        rule.document = None;
        // A rule that was quarantined is not in force, but it is shown as quarantined until it is removed.
        if rule.in_force || rule.quarantined.is_some() {
            self.put_out_of_force(rule_id, None);
        }
    }

    /// Counts failing calls of a rule, the last with that `message`; beyond the error budget the rule is
    /// quarantined: removed with its state, until it is published again. Returns its standing then.
    pub fn failed(&mut self, rule_id: &str, count: u64, message: &str, now: Instant) -> Option<Standing> {
        let Entry { rule, failures } = self.rules.get_mut(rule_id)?;
        if !failures.exceed(self.error_budget, count, now) || !rule.in_force {
            return None;
        }
        let budget = self.error_budget;
        let reason = format!("more than {budget} failing calls in a minute; the last: {message}");
        self.put_out_of_force(rule_id, Some(reason))
    }

    /// Pauses a rule that fires too much, unless it is paused. Returns its standing then.
    pub fn pause_broken(&mut self, rule_id: &str, reason: &str) -> Option<Standing> {
        let Entry { rule, .. } = self.rules.get_mut(rule_id)?;
        if !rule.in_force || rule.published.pause.is_some() {
            return None;
        }
        switch(rule, Status::Paused, Gap::Replay, &mut self.changes);
        rule.broken = Some(reason.to_owned());
        Some(Standing::from(&*rule))
    }

    /// Orders the pending changes as one set, to be put in force; `None` while another set is in flight, or
    /// if there are none. The first set is ordered even if it is empty, as no events are read before it:
    /// order it once the store has been listed and all its documents are published or refused, or at once if
    /// [`is_resuming`](Register::is_resuming).
    pub fn order(&mut self) -> Option<Ordered> {
        self.forget_retired();
        self.changes.order(self.rules.values().map(|entry| &entry.rule))
    }

    /// Forgets rules whose retirement is in force, when a set is about to be ordered that does not remember them.
    /// By the first set after a restart their status is recorded once more.
    fn forget_retired(&mut self) {
        if self.is_new() || !self.changes.is_due() {
            return;
        }
        let leaves =
            |rule: &Remembered| left::leaves(rule) && !self.changes.concerns(&rule.published.rule_id);
        let leaving: Vec<Remembered> =
            self.rules.values().map(|entry| &entry.rule).filter(|rule| leaves(rule)).cloned().collect();
        for rule in leaving {
            let left = left::with(self.rule(left::LEFT), &rule);
            self.rules.remove(&rule.published.rule_id);
            self.rules.insert(left::LEFT.to_owned(), Entry { rule: left, failures: Failures::default() });
        }
    }

    /// Records that the set in flight is in force; `None` if there was none.
    pub fn in_force(&mut self) -> Option<InForce> {
        self.changes.in_force()
    }

    /// Whether the first set is pending and puts the rules of a checkpoint in force.
    pub fn is_resuming(&self) -> bool {
        self.changes.is_resuming()
    }

    /// Whether no set has been ordered yet.
    pub fn is_new(&self) -> bool {
        self.changes.generation() == BookGeneration(0)
    }

    /// Whether changes are pending.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Standing of all rules, ascending by id; retired ones included, until they have left.
    pub fn standing(&self) -> impl Iterator<Item = Standing> {
        let rules = self.rules.values().map(|entry| &entry.rule);
        rules.filter(|rule| rule.published.rule_id != left::LEFT).map(Standing::from)
    }

    /// The rule of that id, if it has existed and has not left.
    pub fn rule(&self, rule_id: &str) -> Option<&Remembered> {
        self.rules.get(rule_id).map(|entry| &entry.rule)
    }

    /// Ids of all rules that are not retired, ascending.
    pub fn rule_ids(&self) -> impl Iterator<Item = &str> {
        self.rules.values().filter(|e| e.rule.publish().is_some()).map(|e| e.rule.published.rule_id.as_str())
    }

    /// Pauses or resumes the rule in force, by the status of the put.
    fn set_status(&mut self, put: &Put) {
        if let Some(Entry { rule, .. }) = self.rules.get_mut(&put.rule_id)
            && rule.in_force
            && rule.published.pause.is_some() != (put.status == Status::Paused)
        {
            switch(rule, put.status, put.gap, &mut self.changes);
        }
    }

    /// Takes a rule out of the book and drops its state.
    fn put_out_of_force(&mut self, rule_id: &str, quarantined: Option<String>) -> Option<Standing> {
        let Entry { rule, .. } = self.rules.get_mut(rule_id)?;
        if rule.in_force {
            self.changes.drop_states(rule.published.lineage.names(rule_id));
        }
        rule.put_out_of_force();
        rule.quarantined = quarantined;
        self.changes.remove(rule_id);
        Some(Standing::from(&*rule))
    }
}

/// Pauses or resumes a rule in force, and leaves it otherwise unchanged.
fn switch(rule: &mut Remembered, status: Status, gap: Gap, changes: &mut Changes) {
    let pauses = Pauses::of(rule).under(status, gap);
    (rule.published.pause, rule.published.skipped) = (pauses.current, pauses.skipped);
    (rule.pauses, rule.broken) = (pauses.count, None);
    changes.put(&rule.published, None);
}
