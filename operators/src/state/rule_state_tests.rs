use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    model::ids::{Offset, PartitionId},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
    },
};

/// A count `n`, and a timer `t`.
const RULE: &str = r#"{"rule_id": "r", "key_by": "ip", "conditions": [
    {"id": "n", "calculator": "count", "event": {"id": "A"}},
    {"id": "t", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "100ms"}}
], "trigger": {"each": "t"}}"#;

/// The rule's plan in a pause, or without one, where these pauses are skipped.
fn plan(pause: Option<u64>, skipped: &[u64]) -> Arc<RulePlan> {
    let first = Published::first(RULE, 1, 0, BTreeMap::new()).unwrap();
    let skipped: BTreeSet<u64> = skipped.iter().copied().collect();
    let change = RuleChange::Put(Box::new(Published { pause, skipped, ..first }));
    let applied = Catalog::default().apply(&ChangeSet { changes: vec![change], ..ChangeSet::default() });
    Arc::clone(&applied.book.rules[0])
}

fn timer(deadline: i64) -> Armed {
    Armed {
        condition: 1,
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
    let plan = plan(None, &[]);
    let mut state = RuleState::fresh(&plan, 5);
    assert_eq!((state.next_deadline(0), state.is_fresh(&plan)), (i64::MAX, true));
    state.arm(timer(30));
    state.arm(timer(20));
    assert_eq!(
        (state.next_deadline(0), state.armed_at(20), state.armed_at(30)),
        (20, Some(&timer(20)), None)
    );
    assert!(!state.is_fresh(&plan));
    state.disarm(0);
    assert_eq!(state.armed(1), Some(&timer(20)));
    state.disarm(1);
    assert!(state.is_fresh(&plan), "as good as new once it has nothing left");
}

#[test]
fn a_key_that_waits_for_publish_is_due_the_instant_before() {
    let mut state = RuleState::fresh(&plan(None, &[]), 5);
    state.judge_at_publish();
    state.arm(timer(30));
    assert_eq!([10, 50].map(|publish| state.next_deadline(publish)), [9, 30]);
    state.judged_at_publish();
    assert_eq!(state.next_deadline(10), 30);
}

#[test]
fn an_edge_counts_under_its_own_edit() {
    let mut state = RuleState::fresh(&plan(None, &[]), 5);
    state.set_edge(3, false);
    assert_eq!([2, 3].map(|edited| state.edge(edited)), [None, Some(false)]);
}

#[test]
fn marks_tell_conditions_from_the_rule_level() {
    let mut state = RuleState::fresh(&plan(None, &[]), 5);
    state.mark_condition(1);
    assert_eq!([0, 1].map(|condition| state.is_condition_dirty(condition)), [false, true]);
    assert!(state.is_dirty() && !state.is_rule_level_dirty());
    state.mark_rule_level();
    assert!(state.is_rule_level_dirty());
    state.set_saved();
    assert!(state.is_stored() && !state.is_dirty());
}

#[test]
fn a_pause_that_is_skipped_takes_its_events_back() {
    let paused = plan(Some(1), &[]);
    let mut state = RuleState::fresh(&paused, 5);
    state.arm(timer(20));
    state.bring_up_to(&paused);
    state.arm(timer(10));
    assert_eq!(state.paused_copy().and_then(|copy| copy.armed(1)), Some(&timer(20)));
    let (mut kept, mut skipped) = (state.clone(), state);
    assert_eq!(kept.bring_up_idle(&plan(None, &[])), None, "its next timer is the same");
    assert_eq!((kept.armed(1), kept.paused_copy()), (Some(&timer(10)), None));
    assert_eq!(skipped.bring_up_idle(&plan(None, &[1])), Some(20));
    assert_eq!((skipped.armed(1), skipped.paused_copy()), (Some(&timer(20)), None));
    assert!(kept.is_dirty() && skipped.is_dirty(), "the copy is to leave the store");
}

#[test]
fn a_restarted_state_overwrites_what_is_stored() {
    let plan = plan(None, &[]);
    let mut state = RuleState::fresh(&plan, 5);
    state.arm(timer(20));
    state.set_saved();
    let restarted = state.restarted(&plan, 50);
    assert!(restarted.is_fresh(&plan) && restarted.is_stored());
    assert!(
        restarted.is_condition_dirty(0) && restarted.is_condition_dirty(1) && restarted.is_rule_level_dirty()
    );
    assert_eq!(restarted.touched(), 50);
}
