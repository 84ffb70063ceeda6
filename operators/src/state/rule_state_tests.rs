use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::*;
use crate::{
    model::ids::{Offset, PartitionId},
    rule::{
        book::RuleBook,
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
    },
    state::{Armed, KeyId, Store},
};

/// A count `n`, and a timer `t`.
const RULE: &str = r#"{"rule_id": "r", "key_by": "ip", "conditions": [
    {"id": "n", "calculator": "count", "event": {"id": "A"}},
    {"id": "t", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "100ms"}}
], "trigger": {"each": "t"}}"#;

/// A store with one key, and the rule as it is in force.
struct Scene {
    store: Store,
    id: KeyId,
    plan: Arc<RulePlan>,
    parts: RuleParts,
}

impl Scene {
    fn new(pause: Option<u64>) -> Self {
        let mut store = Store::default();
        store.record(true);
        let (plan, parts) = install(&mut store, pause, &[]);
        let id = store.entry(1, 0, "k");
        Scene { store, id, plan, parts }
    }

    /// Switches to the rule in a pause, or without one, where these pauses are skipped.
    fn install(&mut self, pause: Option<u64>, skipped: &[u64]) {
        (self.plan, self.parts) = install(&mut self.store, pause, skipped);
    }

    fn state<T>(&mut self, work: impl FnOnce(&mut RuleState<'_>, &RulePlan) -> T) -> T {
        let Scene { store, id, plan, parts } = self;
        store.with_key(*id, |open| work(&mut open.rule(parts), plan))
    }
}

fn install(store: &mut Store, pause: Option<u64>, skipped: &[u64]) -> (Arc<RulePlan>, RuleParts) {
    let book = book(pause, skipped);
    let parts = store.install(&book);
    (Arc::clone(&book.rules[0]), parts[0].clone())
}

fn book(pause: Option<u64>, skipped: &[u64]) -> Arc<RuleBook> {
    let first = Published::first(RULE, 1, 0, BTreeMap::new()).unwrap();
    let skipped: BTreeSet<u64> = skipped.iter().copied().collect();
    let change = RuleChange::Put(Box::new(Published { pause, skipped, ..first }));
    Catalog::default().apply(&ChangeSet { changes: vec![change], ..ChangeSet::default() }).book
}

fn timer(deadline: i64) -> Armed {
    Armed {
        deadline,
        partition: PartitionId::default(),
        offset: Offset::default(),
        event_id: "A".into(),
        event_time: 0,
        guid: None,
        values: Vec::new(),
    }
}

#[test]
fn a_condition_has_one_armed_timer() {
    Scene::new(None).state(|state, plan| {
        assert_eq!((state.next_deadline(plan), state.is_fresh(plan)), (i64::MAX, true));
        state.arm(1, timer(30));
        state.arm(1, timer(20));
        assert_eq!(
            (state.next_deadline(plan), state.armed_at(20), state.armed_at(30)),
            (20, Some((1, &timer(20))), None)
        );
        assert!(!state.is_fresh(plan));
        state.disarm(0);
        assert_eq!(state.armed(1), Some(&timer(20)));
        state.disarm(1);
        assert!(state.is_fresh(plan), "as good as new once it has nothing left");
    });
}

#[test]
fn a_key_that_waits_for_publish_is_due_the_instant_before() {
    Scene::new(None).state(|state, plan| {
        state.judge_at_publish();
        state.arm(1, timer(30));
        let due = [10, 50].map(|publish| state.next_deadline(&RulePlan { publish, ..plan.clone() }));
        assert_eq!(due, [9, 30]);
        state.judged_at_publish();
        assert_eq!(state.next_deadline(&RulePlan { publish: 10, ..plan.clone() }), 30);
    });
}

#[test]
fn an_edge_counts_under_its_own_edit() {
    Scene::new(None).state(|state, _| {
        state.set_edge(3, false);
        assert_eq!([2, 3].map(|edited| state.edge(edited)), [None, Some(false)]);
    });
}

#[test]
fn what_is_known_of_conditions_counts_under_its_own_edit_until_they_change() {
    let both = Known { known: 0b11, met: 0b10 };
    Scene::new(None).state(|state, plan| {
        assert_eq!(state.judged(3), None);
        state.set_judged(5, 3, true, both);
        assert_eq!((state.touched(), state.judged(3), state.judged(4)), (5, Some((true, both)), None));
        state.set_edge(3, false);
        assert_eq!(state.judged(3), Some((false, both)));
        state.fields_mut(plan, 1).set_word(0, 9);
        assert_eq!(state.judged(3), Some((false, Known { known: 0b01, met: 0 })));
        state.set_judged(6, 3, false, both);
        state.set_edge(4, false);
        let unknown = Some((false, Known::default()));
        assert_eq!(state.judged(4), unknown, "what is known is of the edit before");
        state.set_judged(7, 4, false, both);
        state.reset_conditions();
        assert_eq!(state.judged(4), unknown);
        state.set_judged(8, 4, false, both);
        state.arm(1, timer(20));
        assert_eq!((state.judged(4), state.next_deadline(plan)), (Some((false, both)), 20));
    });
}

#[test]
fn a_state_that_was_not_there_leaves_nothing_if_it_has_first_values() {
    let mut scene = Scene::new(None);
    scene.state(|state, plan| {
        assert!(state.leaves_nothing());
        state.fields_mut(plan, 0);
        assert!(state.leaves_nothing());
        state.fields_mut(plan, 0).set_word(0, 7);
        assert!(!state.leaves_nothing());
    });
    scene.state(|state, plan| {
        state.fields_mut(plan, 0).set_word(0, 0);
        assert!(state.is_fresh(plan) && !state.leaves_nothing(), "it has to be removed");
    });
    let mut touched = Scene::new(None);
    touched.state(|state, plan| {
        state.touch(plan, 5);
        assert!(state.is_fresh(plan) && !state.leaves_nothing());
    });
}

#[test]
fn what_is_changed_is_unsaved_until_it_is_saved() {
    let mut scene = Scene::new(None);
    scene.state(|state, plan| state.fields_mut(plan, 0).set_word(0, 7));
    let Scene { store, id, .. } = &mut scene;
    store.with_key(*id, |open| {
        let mut unsaved = Vec::new();
        open.unsaved(&mut unsaved);
        assert_eq!(
            unsaved.iter().map(|part| (part.of.condition, part.present)).collect::<Vec<_>>(),
            [(Some(0), true)]
        );
        open.set_saved();
        assert!(!open.is_dirty());
    });
    scene.state(|state, plan| state.touch(plan, 5));
    scene.state(|state, _| {
        assert!(state.is_dirty());
        state.clear();
        assert!(state.is_absent() && state.is_dirty(), "what is stored is to be deleted");
    });
}

#[test]
fn a_part_with_its_first_value_is_not_put_in() {
    let mut scene = Scene::new(None);
    scene.state(|state, plan| {
        state.fields_mut(plan, 0).set_word(0, 7);
        state.fields_mut(plan, 0).set_word(0, 0);
    });
    assert!(scene.store.block(scene.id).is_empty());
}

#[test]
fn a_pause_that_is_skipped_takes_its_events_back() {
    for (skipped, deadline, next, count) in [(&[][..], 10, None, 9), (&[1][..], 20, Some(20), 4)] {
        let mut scene = Scene::new(Some(1));
        scene.state(|state, plan| {
            state.fields_mut(plan, 0).set_word(0, 4);
            state.arm(1, timer(20));
            state.bring_up_to(plan);
        });
        scene.state(|state, plan| {
            state.bring_up_to(plan);
            state.fields_mut(plan, 0).set_word(0, 9);
            state.arm(1, timer(10));
            let copied = state.paused(|copy| (copy.armed(1).cloned(), copy.fields(plan, 0).word(0)));
            assert_eq!(copied, Some((Some(timer(20)), 4)));
        });
        scene.install(None, skipped);
        scene.state(|state, plan| {
            assert_eq!(state.bring_up_idle(plan), next);
            assert_eq!((state.armed(1), state.is_paused()), (Some(&timer(deadline)), false));
            assert_eq!(state.fields(plan, 0).word(0), count);
            assert!(state.is_dirty(), "the snapshot is to leave the store");
            state.clear();
        });
        let Scene { store, id, .. } = scene;
        assert!(store.is_clean(), "nothing is left of what the key had: {:?}", store.block(id));
    }
}
