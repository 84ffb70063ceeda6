//! The catalog: makes each rule book from the one before and a change set.
//!
//! **Invariant**: every process applies the same change sets in the same order, so slots, field positions and
//! filter numbers are the same in all of them, and a routed record means the same to its sender and its
//! receiver. The result does not depend on what a process has compiled before, see
//! [`compiler`](super::compiler).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    book::{RuleBook, Target},
    candidates::Candidates,
    change::{ChangeSet, Published, RuleChange},
    compiler::{CompiledRule, Compiler},
    crowd::Crowd,
    field_sets::FieldSets,
    plan::{RulePlan, TriggerPlan},
};
use crate::{
    document::fault::Faults,
    filter::{Filter, Index},
    model::{
        field::Fields,
        ids::BookGeneration,
        key::{self, KeyFields},
    },
};

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
    /// Changed rules with statements that fail whenever they are reached; they are in the book.
    pub failing: Vec<(String, Faults)>,
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
    /// Seed of the cluster's routing.
    seed: u64,
    rules: BTreeMap<String, Entry>,
}

impl Catalog {
    /// Makes an empty catalog that compiles with `compiler`. The default has a compiler of its own.
    pub fn new(compiler: Compiler) -> Self {
        Catalog { compiler, ..Catalog::default() }
    }

    /// Makes books that route keys by a seed, the same in every process of a cluster.
    #[must_use]
    pub fn routing_by(self, seed: u64) -> Self {
        Catalog { seed, ..self }
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
        let key = |rule: &Arc<RulePlan>| self.keys.iter().position(|k| *k == rule.key).unwrap_or(0) as u32;
        let rule_key: Vec<u32> = rules.iter().map(key).collect();
        let index = Index::build(&filters);
        Arc::new(RuleBook {
            generation: self.generation,
            has_crowd: self.rules.values().map(|e| e.crowd.is_some()).collect(),
            key_seeds: self.keys.iter().map(|k| key::seed(k, &self.fields, self.seed)).collect(),
            fields: self.fields.clone(),
            keys: self.keys.clone(),
            candidates: Candidates::new(&index, &targets, &rule_key),
            rule_key,
            targets,
            needs: FieldSets::new(&needs, self.fields.len()),
            index,
            by_slot: rules.iter().enumerate().map(|(i, r)| (r.slot, i)).collect(),
            rules,
        })
    }

    /// Applies a change set. A rule that does not compile stays as it was.
    pub fn apply(&mut self, set: &ChangeSet) -> Applied {
        self.generation = set.generation;
        let mut crowds = Vec::new();
        let (mut rejected, mut failing) = (Vec::new(), Vec::new());
        for change in &set.changes {
            let rule_id = change.rule_id();
            let before = self.rules.get(rule_id).and_then(|e| e.crowd.clone());
            let after = match change {
                RuleChange::Remove { .. } => {
                    self.rules.remove(rule_id);
                    None
                }
                RuleChange::Put(published) => match self.put(published) {
                    Ok(plan) => {
                        let faults = plan.check_statements().err();
                        failing.extend(faults.map(|faults| (rule_id.to_owned(), faults)));
                        published.crowd.clone()
                    }
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
        Applied { book: self.book(), crowds, rejected, failing }
    }

    fn put(&mut self, published: &Published) -> Result<Arc<RulePlan>, Faults> {
        let compiled = self.compiler.compile(published.compiler_input())?;
        let mut plan = compiled.plan_in(&mut self.fields);
        plan.version = published.version;
        plan.pause = published.pause;
        plan.skipped.clone_from(&published.skipped);
        plan.departed.clone_from(&published.departed);
        published.lineage.place(&mut plan);
        let next = self.slots.len() as u32;
        plan.slot = *self.slots.entry(published.rule_id.clone()).or_insert(next);
        if !self.keys.contains(&plan.key) {
            self.keys.push(plan.key.clone());
        }
        let plan = Arc::new(plan);
        let crowd = published.crowd.clone();
        let entry = Entry { plan: Arc::clone(&plan), _compiled: compiled, crowd };
        self.rules.insert(published.rule_id.clone(), entry);
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that meet in one place of a cluster's tables, as somebody who knows its seed finds them.
    fn meeting(seed: u64) -> Vec<String> {
        (0..200_000)
            .map(|guid| guid.to_string())
            .filter(|key| key::route(seed, key) >> 32 & 0xfff == 0)
            .collect()
    }

    #[test]
    fn keys_that_meet_in_one_place_of_a_cluster_do_not_in_another() {
        let document = r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#;
        let seed = |cluster| {
            let published = Published::first(document, 1, 0, BTreeMap::new()).unwrap();
            let changes = vec![RuleChange::Put(Box::new(published))];
            let set = ChangeSet { generation: BookGeneration(1), changes };
            Catalog::default().routing_by(cluster).apply(&set).book.key_seeds[0]
        };
        let (known, ours) = (seed(0), seed(0x5ec_2e7));
        assert_eq!(seed(0x5ec_2e7), ours, "the same in every process");
        let keys = meeting(known);
        let places: std::collections::BTreeSet<u64> =
            keys.iter().map(|key| key::route(ours, key) >> 32 & 0xfff).collect();
        assert!(keys.len() > 30 && places.len() > keys.len() * 9 / 10, "{} of {}", places.len(), keys.len());
    }

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
        let initial = |plan: &RulePlan| plan.conditions[0].program.initial().to_vec();
        assert_ne!(initial(&first), initial(&second));
    }
}
