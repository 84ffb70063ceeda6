//! All rules of one instant, and the catalog that makes one book after another.
//!
//! Every process applies the same change sets in the same order, so slots, field positions and filter numbers are the
//! same in all of them, and a routed record means the same to the worker that sends it and to the one that reads it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    compile::compile,
    crowd::{Crowd, Departed},
    lineage::Lineage,
    plan::{RulePlan, TriggerPlan},
    scripts::ScriptStore,
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

/// Rules to be changed together; they take effect at one epoch on all workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    /// The catalog's generation after this change; each is one more than the last.
    pub generation: BookGeneration,
    /// The changes, at most one per rule.
    pub changes: Vec<RuleChange>,
}

/// What becomes of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RuleChange {
    /// It is published, edited, paused or resumed.
    Put(Box<Published>),
    /// It is retired or quarantined: its state is dropped.
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

/// A rule as all processes are told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The rule's id.
    pub rule_id: String,
    /// Its version.
    pub version: u64,
    /// The document as JSON, its crowd left out.
    pub document: String,
    /// Its crowd, worked out.
    pub crowd: Option<Crowd>,
    /// The instant it was first published, unix ms; kept by edits.
    pub publish: i64,
    /// Which of its pauses it is in, from 1.
    pub pause: Option<u64>,
    /// Pauses whose events do not count.
    pub skipped: BTreeSet<u64>,
    /// Where its state began.
    pub lineage: Lineage,
    /// People who left its crowd.
    pub departed: Vec<Departed>,
    /// Stored calculators that it names, by name.
    pub scripts: BTreeMap<String, String>,
}

impl Published {
    /// A document as first published at `publish` (unix ms), under that version: no crowd, not paused.
    ///
    /// # Errors
    /// If it does not compile.
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

    /// The lineage of the version that is to follow while this one is in force, see [`Lineage::next`].
    pub fn next_lineage(&self, plan: &RulePlan, version: u64, edited: bool) -> Lineage {
        let mut next = self.lineage.next(plan, version, edited);
        // Since people left, states say when they were touched.
        next.rule_level |= next.rule == self.lineage.rule && !self.departed.is_empty();
        next
    }
}

/// What a filter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A step of a condition (0 without steps).
    Condition {
        /// Position of the rule in the book.
        rule: u32,
        /// Position of the condition in the rule.
        condition: u16,
        /// Which step.
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

/// All rules of one instant. Immutable; shared by the workers of a process.
#[derive(Debug)]
pub struct RuleBook {
    /// Which change set made it; 0 is the empty book.
    pub generation: BookGeneration,
    /// The rules, ascending by id.
    pub rules: Vec<Arc<RulePlan>>,
    /// Whether a rule has a crowd, by position.
    pub has_crowd: Vec<bool>,
    /// Names of fields.
    pub fields: Fields,
    /// The distinct `key_by` of all rules.
    pub keys: Vec<KeyFields>,
    /// Routing seed of each of them.
    pub key_seeds: Vec<u64>,
    /// Which `key_by` a rule has, by position.
    pub rule_key: Vec<u32>,
    /// What each filter of the index stands for. Of one rule: its conditions in their order, each one's steps from the last to
    /// the first, then its trigger; this is the order in which an event is folded.
    pub targets: Vec<Target>,
    /// Which values `evaluate` needs when a filter matched.
    pub needs: Vec<Vec<Field>>,
    /// Finds the filters that an event matches.
    pub index: Index,
    by_slot: HashMap<u32, usize>,
}

impl RuleBook {
    /// The rule in a slot, if it is in the book.
    pub fn at_slot(&self, slot: u32) -> Option<usize> {
        self.by_slot.get(&slot).copied()
    }
}

/// A crowd to be given to, or taken from, a rule.
#[derive(Clone, Debug)]
pub struct CrowdChange {
    /// The rule's slot.
    pub slot: u32,
    /// The crowd before.
    pub before: Option<Crowd>,
    /// The crowd from now on.
    pub after: Option<Crowd>,
}

/// What a change set led to.
#[derive(Debug)]
pub struct Applied {
    /// The new book.
    pub book: Arc<RuleBook>,
    /// Changes of crowds, to take effect together with the book.
    pub crowds: Vec<CrowdChange>,
    /// Rules that did not compile; they are left as they were.
    pub rejected: Vec<(String, Faults)>,
}

struct Entry {
    plan: Arc<RulePlan>,
    document: String,
    /// The stored calculators that it was compiled with.
    scripts: BTreeMap<String, String>,
    crowd: Option<Crowd>,
}

/// Makes books from change sets. Names, slots and keys only ever get more, so that books of neighbouring epochs agree.
#[derive(Default)]
pub struct Catalog {
    generation: BookGeneration,
    fields: Fields,
    slots: HashMap<String, u32>,
    keys: Vec<KeyFields>,
    rules: BTreeMap<String, Entry>,
}

impl Catalog {
    /// The book before the first change set.
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

    /// Applies a change set. What does not compile is left as it was.
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
        let former = self.rules.get(&published.rule_id);
        let unchanged = former.filter(|f| {
            f.document == published.document
                && f.scripts == published.scripts
                && f.plan.publish
                    == f.plan.spec.active.from.map_or(published.publish, |t| t.0.max(published.publish))
        });
        let mut plan = match unchanged {
            Some(entry) => (*entry.plan).clone(),
            None => {
                let spec: Rule = Rule::parse(&published.document)?;
                compile(
                    Arc::new(spec),
                    published.publish,
                    &mut self.fields,
                    &published.scripts as &dyn ScriptStore,
                )?
            }
        };
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
        let entry = Entry {
            plan: Arc::new(plan),
            document: published.document.clone(),
            scripts: published.scripts.clone(),
            crowd: published.crowd.clone(),
        };
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
