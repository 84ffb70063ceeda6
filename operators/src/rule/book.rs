//! The rule book: all rules of one instant; and the catalog that makes each book from the one before.
//!
//! **Invariant**: every process applies the same change sets in the same order, so slots, field positions and
//! filter numbers are the same in all of them, and a routed record means the same to its sender and its
//! receiver. The result does not depend on what a process has compiled before, see
//! [`compiler`](super::compiler).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    compile::compile,
    compiler::{CompiledRule, Compiler, CompilerInput},
    crowd::{Crowd, Departed},
    lineage::Lineage,
    plan::{RulePlan, TriggerPlan},
};
use crate::{
    document::{fault::Faults, spec::Rule},
    filter::{Filter, Index},
    model::{
        field::{Field, Fields},
        ids::BookGeneration,
        key::{self, KeyFields},
    },
};

/// Change set: rules changed together; takes effect at one epoch on all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// Generation of the book after this change; each is one more than the last.
    pub generation: BookGeneration,
    /// The changes, at most one per rule.
    pub changes: Vec<RuleChange>,
}

/// A change of one rule in the book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleChange {
    /// Puts the rule into the book as given: published, edited, paused or resumed.
    Put(Box<Published>),
    /// Removes the rule from the book: retired or quarantined. Its state is dropped.
    Remove {
        /// The rule.
        rule_id: String,
    },
}

impl RuleChange {
    /// The rule concerned.
    pub fn rule_id(&self) -> &str {
        match self {
            RuleChange::Put(published) => &published.rule_id,
            RuleChange::Remove { rule_id } => rule_id,
        }
    }
}

/// A rule in force, as it is sent to all processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The rule's id.
    pub rule_id: String,
    /// Its version.
    pub version: u64,
    /// The document as JSON, its crowd left out.
    pub document: String,
    /// Members of the crowd; `None` for everybody.
    pub crowd: Option<Crowd>,
    /// The instant it was first published, unix ms; edits keep it.
    pub publish: i64,
    /// Number of the current pause, from 1; `None` while the rule is online.
    pub pause: Option<u64>,
    /// Pauses whose events do not count.
    pub skipped: BTreeSet<u64>,
    /// Versions at which the rule's states began.
    pub lineage: Lineage,
    /// People who left its crowd.
    pub departed: Vec<Departed>,
    /// Stored calculators that the rule names, by name.
    pub scripts: BTreeMap<String, String>,
}

impl Published {
    /// Makes a rule as first published at `publish` (unix ms) with this version: no crowd, not paused.
    ///
    /// # Errors
    /// If the document does not compile.
    pub fn first(
        document: &str,
        version: u64,
        publish: i64,
        scripts: BTreeMap<String, String>,
    ) -> Result<Self, Faults> {
        let plan = compile(Arc::new(Rule::parse(document)?), publish, &mut Fields::default(), &scripts)?;
        Ok(Published {
            rule_id: plan.id().to_owned(),
            version,
            document: document.to_owned(),
            crowd: None,
            publish,
            pause: None,
            skipped: BTreeSet::new(),
            lineage: Lineage::first(&plan, version),
            departed: Vec::new(),
            scripts,
        })
    }

    /// Input from which every process compiles the rule.
    pub fn compiler_input(&self) -> CompilerInput {
        CompilerInput {
            document: self.document.clone(),
            publish: self.publish,
            scripts: self.scripts.clone(),
        }
    }

    /// Lineage of the version that follows while this one is in force, see [`Lineage::next`].
    pub fn next_lineage(&self, plan: &RulePlan, version: u64, edited: bool) -> Lineage {
        let mut next = self.lineage.next(plan, version, edited);
        // Once people have left, states must carry the time of their last touch.
        next.rule_level |= next.rule == self.lineage.rule && !self.departed.is_empty();
        next
    }
}

/// The part of a rule to which a filter of the index belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A step of a condition (0 without steps).
    Condition {
        /// Position of the rule in the book.
        rule: u32,
        /// Position of the condition in the rule.
        condition: u16,
        /// Number of the step.
        step: u16,
    },
    /// A rule's trigger event.
    Trigger {
        /// Position of the rule in the book.
        rule: u32,
    },
}

impl Target {
    /// Position of the rule in the book.
    pub fn rule(self) -> usize {
        match self {
            Target::Condition { rule, .. } | Target::Trigger { rule } => rule as usize,
        }
    }
}

/// The rule book: all rules of one instant. Immutable; shared by the workers of a process.
#[derive(Debug)]
pub struct RuleBook {
    /// Generation of the book; 0 is the empty book.
    pub generation: BookGeneration,
    /// The rules, ascending by id.
    pub rules: Vec<Arc<RulePlan>>,
    /// Whether each rule has a crowd, by position of the rule.
    pub has_crowd: Vec<bool>,
    /// Names of fields.
    pub fields: Fields,
    /// Distinct `key_by` of all rules.
    pub keys: Vec<KeyFields>,
    /// Routing seed of each distinct `key_by`.
    pub key_seeds: Vec<u64>,
    /// Index of the `key_by` of each rule, by position of the rule.
    pub rule_key: Vec<u32>,
    /// Part to which each filter of the index belongs. Of one rule: its conditions in their order, the steps
    /// of each from the last to the first, then its trigger. An event is folded in this order.
    pub targets: Vec<Target>,
    /// Fields whose values `evaluate` needs when a filter matches, by filter.
    pub needs: Vec<Vec<Field>>,
    /// Finds the filters that an event matches.
    pub index: Index,
    by_slot: HashMap<u32, usize>,
}

impl RuleBook {
    /// Position of the rule in a slot, if the book has one there.
    pub fn at_slot(&self, slot: u32) -> Option<usize> {
        self.by_slot.get(&slot).copied()
    }
}

/// A crowd that a rule gains, changes or loses.
#[derive(Clone, Debug)]
pub struct CrowdChange {
    /// The rule's slot.
    pub slot: u32,
    /// The former crowd.
    pub before: Option<Crowd>,
    /// The new crowd.
    pub after: Option<Crowd>,
}

/// Result of applying a change set.
#[derive(Debug)]
pub struct Applied {
    /// The new book.
    pub book: Arc<RuleBook>,
    /// Changes of crowds, which take effect together with the book.
    pub crowds: Vec<CrowdChange>,
    /// Rules that did not compile, with their faults; they stay as they were.
    pub rejected: Vec<(String, Faults)>,
}

struct Entry {
    plan: Arc<RulePlan>,
    /// Keeps the compiled rule alive, so that the compiler of this process does not compile it again.
    _compiled: Arc<CompiledRule>,
    crowd: Option<Crowd>,
}

/// Catalog: makes books from change sets. Field positions, slots and keys are only ever added, so that the
/// books of neighbouring epochs agree on them.
#[derive(Default)]
pub struct Catalog {
    compiler: Compiler,
    generation: BookGeneration,
    fields: Fields,
    slots: HashMap<String, u32>,
    keys: Vec<KeyFields>,
    rules: BTreeMap<String, Entry>,
}

impl Catalog {
    /// Makes an empty catalog that compiles with `compiler`. The default has a compiler of its own.
    pub fn new(compiler: Compiler) -> Self {
        Catalog { compiler, ..Catalog::default() }
    }

    /// The current book; empty before the first change set.
    pub fn book(&self) -> Arc<RuleBook> {
        let rules: Vec<Arc<RulePlan>> = self.rules.values().map(|e| Arc::clone(&e.plan)).collect();
        let mut targets = Vec::new();
        let mut needs = Vec::new();
        let mut filters: Vec<Filter> = Vec::new();
        for (position, plan) in rules.iter().enumerate() {
            let rule = position as u32;
            for (c, condition) in plan.conditions.iter().enumerate() {
                let mut fields = condition.inputs.clone();
                if condition.program.timer().is_some() || !matches!(plan.trigger, TriggerPlan::Event(_)) {
                    fields.extend(&plan.action_fields);
                }
                for (step, filter) in condition.filters.iter().enumerate().rev() {
                    targets.push(Target::Condition { rule, condition: c as u16, step: step as u16 });
                    needs.push(fields.clone());
                    filters.push(filter.clone());
                }
            }
            if let TriggerPlan::Event(filter) = &plan.trigger {
                targets.push(Target::Trigger { rule });
                needs.push(plan.action_fields.clone());
                filters.push(filter.clone());
            }
        }
        let rule_key =
            rules.iter().map(|r| self.keys.iter().position(|k| *k == r.key).unwrap_or(0) as u32).collect();
        Arc::new(RuleBook {
            generation: self.generation,
            has_crowd: self.rules.values().map(|e| e.crowd.is_some()).collect(),
            key_seeds: self.keys.iter().map(|k| key::seed(k, &self.fields)).collect(),
            fields: self.fields.clone(),
            keys: self.keys.clone(),
            rule_key,
            targets,
            needs,
            index: Index::build(&filters),
            by_slot: rules.iter().enumerate().map(|(i, r)| (r.slot, i)).collect(),
            rules,
        })
    }

    /// Applies a change set. A rule that does not compile stays as it was.
    pub fn apply(&mut self, set: &ChangeSet) -> Applied {
        self.generation = set.generation;
        let mut crowds = Vec::new();
        let mut rejected = Vec::new();
        for change in &set.changes {
            let rule_id = change.rule_id();
            let before = self.rules.get(rule_id).and_then(|e| e.crowd.clone());
            let after = match change {
                RuleChange::Remove { .. } => {
                    self.rules.remove(rule_id);
                    None
                }
                RuleChange::Put(published) => match self.put(published) {
                    Ok(()) => published.crowd.clone(),
                    Err(faults) => {
                        rejected.push((rule_id.to_owned(), faults));
                        continue;
                    }
                },
            };
            if let Some(slot) = self.slots.get(rule_id)
                && before != after
            {
                crowds.push(CrowdChange { slot: *slot, before, after });
            }
        }
        Applied { book: self.book(), crowds, rejected }
    }

    fn put(&mut self, published: &Published) -> Result<(), Faults> {
        let compiled = self.compiler.compile(published.compiler_input())?;
        let mut plan = compiled.plan_in(&mut self.fields);
        plan.version = published.version;
        plan.pause = published.pause;
        plan.skipped.clone_from(&published.skipped);
        plan.departed.clone_from(&published.departed);
        plan.place(&published.lineage);
        let next = self.slots.len() as u32;
        plan.slot = *self.slots.entry(published.rule_id.clone()).or_insert(next);
        if !self.keys.contains(&plan.key) {
            self.keys.push(plan.key.clone());
        }
        let entry = Entry { plan: Arc::new(plan), _compiled: compiled, crowd: published.crowd.clone() };
        self.rules.insert(published.rule_id.clone(), entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_calculator_that_changed_is_compiled_anew() {
        let put = |version: u64, first: i64| {
            let document = r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}, "conditions": [
                {"id": "c", "calculator": "mine", "event": {"id": "A"}, "met": "n > 0"}]}"#;
            let script =
                r"fn init(params) { #{ n: FIRST } } fn outputs(state, params, now) { #{ n: state.n } }
                fn on_event(state, event, params) { state.n += 1; true }"
                    .replace("FIRST", &first.to_string());
            let scripts = BTreeMap::from([("mine".to_owned(), script)]);
            Published::first(document, version, 0, scripts).unwrap()
        };
        let mut catalog = Catalog::default();
        let mut apply = |published: Published| {
            let set = ChangeSet {
                generation: BookGeneration(1),
                changes: vec![RuleChange::Put(Box::new(published))],
            };
            Arc::clone(&catalog.apply(&set).book.rules[0])
        };
        let first = apply(put(1, 0));
        let paused = apply(Published { pause: Some(1), ..put(1, 0) });
        assert!(
            Arc::ptr_eq(&first.conditions[0].program, &paused.conditions[0].program),
            "nothing else changed"
        );
        let second = apply(put(2, 7));
        assert_ne!(first.conditions[0].hash, second.conditions[0].hash);
        assert_ne!(first.initial, second.initial);
    }
}
