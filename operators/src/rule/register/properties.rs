//! The invariants of the register under random puts, retirements, failures and breaks of a few rules.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    Listing, Ordered, Register,
    tests::{Scene, put},
};
use crate::{
    document::{
        lifecycle::{Gap, Status},
        put::Put,
    },
    rule::{catalog::Catalog, change::RuleChange, remembered::Remembered},
};

/// A step that concerns one of the rules `a` and `b`.
#[derive(Clone, Debug)]
enum Step {
    Put {
        document: usize,
        status: Status,
        gap: Gap,
        version: Option<u64>,
    },
    Fail,
    Break,
    /// The pending changes are ordered, and take force.
    Order,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let status =
        prop_oneof![4 => Just(Status::Online), 3 => Just(Status::Paused), 1 => Just(Status::Retired)];
    let gap = prop_oneof![Just(Gap::Replay), Just(Gap::Skip)];
    let version = prop::option::weighted(0.4, 1u64..8);
    let put = (0..DOCUMENTS, status, gap, version);
    let put = put.prop_map(|(document, status, gap, version)| Step::Put { document, status, gap, version });
    let step = prop_oneof![6 => put, 1 => Just(Step::Fail), 1 => Just(Step::Break), 4 => Just(Step::Order)];
    (0usize..2, step)
}

const DOCUMENTS: usize = 6;
/// A document that is refused.
const REFUSED: usize = DOCUMENTS - 1;

fn document(rule: usize, number: usize) -> Json {
    let (rule_id, event) = (["a", "b"][rule], ["A", "B", "A", "A", "A", "A"][number]);
    let mut document = json!({"rule_id": rule_id, "trigger": {"event": {"id": "T"}}, "when": "c.value >= 0",
        "conditions": [{"id": "c", "calculator": "count", "event": {"id": event}}]});
    match number {
        2 => document["crowd"] = json!({"guids": [1, 2]}),
        3 => document["crowd"] = json!({"guids": [2]}),
        4 => document["key_by"] = json!("ip"),
        REFUSED => document["when"] = json!("nothing"),
        _ => {}
    }
    document
}

/// A register with the catalog of its process.
struct Run {
    scene: Scene,
    catalog: Catalog,
    dropped: BTreeSet<String>,
}

impl Run {
    fn new(register: Register) -> Self {
        let scene = Scene { register, ..Scene::new() };
        let catalog = Catalog::new(scene.compiler.clone());
        Run { scene, catalog, dropped: BTreeSet::new() }
    }

    /// Takes a step; returns the change set ordered.
    fn step(&mut self, rule: usize, step: &Step) -> Result<Option<Ordered>, TestCaseError> {
        let rule_id = ["a", "b"][rule];
        self.scene.now += 1_000;
        match step {
            Step::Put { document: number, status, gap, version } => {
                let put = Put { version: *version, ..put(&document(rule, *number), *status, *gap) };
                self.put(&put, *number == REFUSED)?;
            }
            Step::Fail => drop(self.scene.register.failed(rule_id, 1, "it failed", Instant::now())),
            Step::Break => drop(self.scene.register.pause_broken(rule_id, "too much")),
            Step::Order => return self.order(),
        }
        Ok(None)
    }

    /// Checks that a refused document has no effect but a pause.
    fn put(&mut self, put: &Put, refused: bool) -> Result<(), TestCaseError> {
        let before = self.scene.register.rule(&put.rule_id).cloned();
        let published = self.scene.put(put);
        prop_assert_eq!(published.is_err(), refused && put.status != Status::Retired);
        let (Err(_), Some(before)) = (published, before) else { return Ok(()) };
        let after = self.scene.register.rule(&put.rule_id).cloned().unwrap();
        if put.status == Status::Paused && before.in_force {
            prop_assert!(after.published.pause.is_some());
        }
        let as_before = |rule: Remembered| Remembered {
            published: crate::rule::change::Published {
                pause: before.published.pause,
                ..rule.published.clone()
            },
            pauses: before.pauses,
            ..rule
        };
        prop_assert_eq!(as_before(after), before.clone());
        Ok(())
    }

    /// Orders the pending changes; the catalog applies them.
    fn order(&mut self) -> Result<Option<Ordered>, TestCaseError> {
        let Some(ordered) = self.scene.register.order() else { return Ok(None) };
        prop_assert!(self.scene.register.order().is_none(), "one set is in flight");
        let ids: Vec<&str> = ordered.set.changes.iter().map(RuleChange::rule_id).collect();
        prop_assert!(ids.is_sorted_by(|a, b| a < b), "one change per rule");
        let applied = self.catalog.apply(&ordered.set);
        prop_assert!(applied.rejected.is_empty());
        self.dropped.extend(ordered.dropped.iter().cloned());
        let in_force = ordered.remembered.iter().filter(|rule| rule.in_force);
        let in_force: Vec<&str> = in_force.map(|rule| rule.published.rule_id.as_str()).collect();
        let in_book: Vec<&str> = applied.book.rules.iter().map(|plan| plan.id()).collect();
        prop_assert_eq!(in_force, in_book);
        for rule in ordered.remembered.iter().filter(|rule| rule.in_force) {
            let names = rule.published.lineage.names(&rule.published.rule_id);
            prop_assert!(names.iter().all(|name| !self.dropped.contains(name)), "{:?}", names);
        }
        self.scene.register.in_force();
        Ok(Some(ordered))
    }
}

proptest! {
    #[test]
    fn of_any_steps(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new(Register::new(0));
        for (rule, step) in &steps {
            run.step(*rule, step)?;
        }
        // A rule compiled for the register is not compiled again for the catalog: at most once per put.
        let puts = steps.iter().filter(|(_, step)| matches!(step, Step::Put { .. })).count();
        prop_assert!(run.scene.compiler.compilations() <= puts as u64);
    }

    /// A register made from remembered rules orders the same as one that was never restarted.
    #[test]
    fn a_restart_needs_what_is_remembered_and_no_more(
        before in prop::collection::vec(step(), 1..20), after in prop::collection::vec(step(), 1..20),
    ) {
        let mut run = Run::new(Register::new(0));
        for (rule, step) in before.iter().chain([&(0, Step::Order)]) {
            run.step(*rule, step)?;
        }
        let remembered: Vec<Remembered> = ["@left", "a", "b"].iter().filter_map(|id| run.scene.register.rule(id).cloned()).collect();
        let mut restarted = Run::new(Register::from_remembered(remembered.clone(), 0));
        restarted.scene.now = run.scene.now;
        let resumed = restarted.order()?.unwrap();
        prop_assert_eq!(&*resumed.remembered, &remembered);
        prop_assert!(resumed.dropped.is_empty());
        for (rule, step) in &after {
            let (one, other) = (run.step(*rule, step)?, restarted.step(*rule, step)?);
            prop_assert_eq!(one.is_some(), other.is_some());
            if let (Some(one), Some(other)) = (one, other) {
                prop_assert_eq!(one.set.changes, other.set.changes);
                prop_assert_eq!(one.dropped, other.dropped);
                prop_assert_eq!(Arc::unwrap_or_clone(one.remembered), Arc::unwrap_or_clone(other.remembered));
            }
        }
    }

    /// A pause, a resume and a retirement are pending at once, without any preparation.
    #[test]
    fn a_stop_needs_no_preparation(steps in prop::collection::vec(step(), 1..30), number in 0..DOCUMENTS) {
        let mut run = Run::new(Register::new(0));
        for (rule, step) in &steps {
            run.step(*rule, step)?;
        }
        for rule in 0..2 {
            let paused = put(&document(rule, number), Status::Paused, Gap::Replay);
            let _ = run.scene.register.receive(&paused, Listing::Later);
            let state = |run: &Run| run.scene.register.rule(&paused.rule_id).map(|rule| rule.in_force && rule.published.pause.is_none());
            prop_assert!(state(&run) != Some(true));
            let _ = run.scene.register.receive(&Put { status: Status::Retired, ..paused.clone() }, Listing::Later);
            prop_assert!(run.scene.register.rule(&paused.rule_id).is_none_or(|rule| !rule.in_force));
        }
        if let Some(ordered) = run.order()? {
            prop_assert!(ordered.remembered.iter().all(|rule| !rule.in_force));
        }
    }
}
