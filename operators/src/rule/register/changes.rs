//! Changes of rules on their way into force: pending, ordered as one set, in flight, in force.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    document::lifecycle::RunState,
    model::ids::BookGeneration,
    rule::{
        change::{ChangeSet, Published, RuleChange},
        compiler::CompiledRule,
        remembered::Remembered,
    },
};

/// A change set to be put in force, with what has to be stored as soon as it is.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The changes.
    pub set: ChangeSet,
    /// Names of states that belong to no rule once the changes are in force.
    pub dropped: Vec<String>,
    /// All rules once the changes are in force, ascending by id.
    pub remembered: Arc<Vec<Remembered>>,
}

/// Standing of a rule: its version and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The rule.
    pub rule_id: String,
    /// Its version.
    pub version: u64,
    /// State of the rule in the engine; `None` once it is retired.
    pub state: Option<RunState>,
    /// Reason for which the rule was quarantined, or paused by the breaker.
    pub reason: Option<String>,
}

impl From<&Remembered> for Standing {
    fn from(rule: &Remembered) -> Self {
        Standing {
            rule_id: rule.published.rule_id.clone(),
            version: rule.published.version,
            state: rule.state(),
            reason: rule.quarantined.clone().or_else(|| rule.broken.clone()),
        }
    }
}

/// A change set that has taken force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Rules that it changed, as they stood when the set was ordered.
    pub changed: Vec<Standing>,
    /// Whether it was the first after a restart, which puts the rules of the checkpoint in force as they
    /// were.
    pub resumed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Changes {
    generation: BookGeneration,
    pending: BTreeMap<String, Pending>,
    dropped: Vec<String>,
    /// Whether the pending changes are the rules of a checkpoint.
    resuming: bool,
    in_flight: Option<InFlight>,
}

#[derive(Debug)]
struct Pending {
    change: RuleChange,
    compiled: Option<Arc<CompiledRule>>,
}

#[derive(Debug)]
struct InFlight {
    in_force: InForce,
    /// Keeps compiled rules alive until the catalog of this process has taken them from the compiler.
    _compiled: Vec<Arc<CompiledRule>>,
}

impl Changes {
    /// Changes that put the rules of a checkpoint in force.
    pub(super) fn resuming<'r>(rules: impl Iterator<Item = &'r Remembered>) -> Self {
        let mut changes = Changes::default();
        for rule in rules.filter(|rule| rule.in_force) {
            changes.put(&rule.published, None);
            changes.resuming = true;
        }
        changes
    }

    /// Whether the pending changes are the rules of a checkpoint.
    pub(super) fn is_resuming(&self) -> bool {
        self.resuming
    }

    pub(super) fn generation(&self) -> BookGeneration {
        self.generation
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the pending changes can be ordered as a set now.
    pub(super) fn is_due(&self) -> bool {
        self.in_flight.is_none() && !self.pending.is_empty()
    }

    /// Whether a change of a rule is pending.
    pub(super) fn concerns(&self, rule_id: &str) -> bool {
        self.pending.contains_key(rule_id)
    }

    /// Puts a rule as `published`; `compiled` is `None` if the compiled rule is unchanged.
    pub(super) fn put(&mut self, published: &Published, compiled: Option<Arc<CompiledRule>>) {
        let rule_id = published.rule_id.clone();
        let compiled = compiled.or_else(|| self.pending.remove(&rule_id)?.compiled);
        let change = RuleChange::Put(Box::new(published.clone()));
        self.pending.insert(rule_id, Pending { change, compiled });
    }

    /// Removes a rule from the book, if it is in it.
    pub(super) fn remove(&mut self, rule_id: &str) {
        let change = RuleChange::Remove { rule_id: rule_id.to_owned() };
        self.pending.insert(rule_id.to_owned(), Pending { change, compiled: None });
    }

    /// Records names of states that belong to no rule once the pending changes are in force.
    pub(super) fn drop_states(&mut self, names: impl IntoIterator<Item = String>) {
        self.dropped.extend(names);
    }

    /// Orders the pending changes as one set, unless another one is in flight; `rules` are all rules,
    /// ascending by id. The first set may be empty, later ones are not.
    pub(super) fn order<'r>(&mut self, rules: impl Iterator<Item = &'r Remembered>) -> Option<Ordered> {
        if self.in_flight.is_some() || (self.generation > BookGeneration(0) && self.pending.is_empty()) {
            return None;
        }
        self.generation = self.generation.next();
        let (mut changes, mut compiled) = (Vec::new(), Vec::new());
        let mut changed = Vec::new();
        let remembered: Vec<Remembered> = rules.cloned().collect();
        for rule in &remembered {
            let Some(pending) = self.pending.remove(&rule.published.rule_id) else { continue };
            changes.push(pending.change);
            compiled.extend(pending.compiled);
            changed.push(Standing::from(rule));
        }
        let in_force = InForce { changed, resumed: std::mem::take(&mut self.resuming) };
        self.in_flight = Some(InFlight { in_force, _compiled: compiled });
        Some(Ordered {
            set: ChangeSet { generation: self.generation, changes },
            dropped: std::mem::take(&mut self.dropped),
            remembered: Arc::new(remembered),
        })
    }

    /// Ends the flight of the change set ordered last.
    pub(super) fn in_force(&mut self) -> Option<InForce> {
        self.in_flight.take().map(|in_flight| in_flight.in_force)
    }
}
