//! Tests of the changes recorded for checkpoints, and of saving them.

use std::collections::BTreeMap;

use super::{
    super::emitted::Emitted,
    Evaluator,
    scene::{Hashes, WAITING, edited, evaluator_by, evaluator_of, published, put, save, send},
};
use crate::rule::{catalog::Catalog, change::Published};

/// Makes a key come and go, after which nothing of it is left but what checkpoints have.
fn come_and_go(evaluator: &mut Evaluator, key: &str, now: i64) {
    send(evaluator, key, "A", now);
    send(evaluator, key, "B", now);
    evaluator.advance(now + 1, 10, &mut Emitted::default());
    evaluator.sweep(10);
    assert_eq!(evaluator.figures(now), []);
}

#[test]
fn what_comes_and_goes_while_no_checkpoint_is_taken_takes_no_room() {
    let (mut evaluator, mut stored) = (evaluator_of(WAITING), BTreeMap::new());
    (1..101).for_each(|i| come_and_go(&mut evaluator, &i.to_string(), i));
    assert_eq!(
        (evaluator.keys(), evaluator.unsaved.len()),
        (0, 1),
        "one place, and nothing that checkpoints have"
    );
    save(&mut evaluator, 1, &mut stored);
    assert_eq!((stored.len(), evaluator.unsaved.len()), (0, 0));
    send(&mut evaluator, "1", "A", 200);
    save(&mut evaluator, 2, &mut stored);
    assert_eq!(stored.len(), 2, "the condition's and the rule's");
    (201..300).for_each(|i| come_and_go(&mut evaluator, "1", i));
    assert_eq!((evaluator.keys(), evaluator.unsaved.len()), (0, 1));
    assert_eq!(evaluator.save(100).len(), 2, "each removal once");
    evaluator.sweep(10);
    assert_eq!(evaluator.keys(), 0);
}

/// A condition that `A` and `B` switch on and off, without rule-level state.
const PAIR: &str = r#"{"rule_id": "r", "key_by": "ip", "conditions": [
    {"id": "s", "calculator": {"script": "fn init(params) { #{ value: 0 } }\nfn on_event(state, event, params) { state.value = 1 - state.value; true }\nfn outputs(state, params, now) { #{ value: state.value } }"}, "event": {"id": ["A", "B"]}, "met": "value >= 2"}
], "when": "s.value >= 2", "trigger": {"event": {"id": "T"}}}"#;

#[test]
fn a_condition_that_has_come_back_to_its_first_values_takes_no_room() {
    let (mut evaluator, mut stored) = (evaluator_of(PAIR), BTreeMap::new());
    send(&mut evaluator, "1", "A", 1);
    assert_eq!(evaluator.conditions(), 1);
    send(&mut evaluator, "1", "B", 2);
    evaluator.advance(3, 10, &mut Emitted::default());
    evaluator.sweep(10);
    assert_eq!((evaluator.conditions(), evaluator.keys()), (0, 0), "no checkpoint has had it");

    send(&mut evaluator, "1", "A", 10);
    save(&mut evaluator, 1, &mut stored);
    assert_eq!(stored.len(), 1);
    send(&mut evaluator, "1", "B", 11);
    evaluator.advance(12, 10, &mut Emitted::default());
    evaluator.sweep(10);
    assert_eq!((evaluator.conditions(), evaluator.keys()), (0, 0), "only its deletion is left");
    save(&mut evaluator, 2, &mut stored);
    assert_eq!(stored.len(), 0);

    send(&mut evaluator, "1", "A", 20);
    save(&mut evaluator, 3, &mut stored);
    send(&mut evaluator, "1", "B", 21);
    save(&mut evaluator, 4, &mut stored);
    evaluator.advance(22, 10, &mut Emitted::default());
    evaluator.sweep(10);
    assert_eq!((evaluator.conditions(), stored.len()), (0, 0), "deleted before it was swept");
    assert!(!evaluator.has_unsaved());
    assert!(evaluator.store.is_empty());
}

#[test]
fn a_state_that_is_gone_and_there_again_is_stored() {
    let (mut evaluator, mut stored) = (evaluator_of(WAITING), BTreeMap::new());
    send(&mut evaluator, "1", "A", 1);
    save(&mut evaluator, 1, &mut stored);
    let before = stored.clone();
    come_and_go(&mut evaluator, "1", 2);
    send(&mut evaluator, "1", "A", 3);
    save(&mut evaluator, 2, &mut stored);
    assert!(stored.len() == 2 && stored != before, "{stored:?}");
}

#[test]
fn a_removal_is_not_of_what_an_edit_has_named_otherwise() {
    let (mut catalog, first) = (Catalog::default(), published(WAITING));
    let mut evaluator = evaluator_by(&mut catalog, first.clone());
    send(&mut evaluator, "7", "A", 1);
    save(&mut evaluator, 1, &mut BTreeMap::new());
    send(&mut evaluator, "7", "B", 2);
    let by_session = WAITING.replace(r#""ip""#, r#""session_id""#);
    evaluator.install(put(&mut catalog, edited(&first, &by_session, 2)));
    assert!(evaluator.has_unsaved());
    assert_eq!(
        evaluator.save(100).len(),
        0,
        "of the key 7 by session another worker may have stored a state"
    );
    assert!(!evaluator.has_unsaved());
}

#[test]
fn nothing_is_noted_for_checkpoints_that_nobody_takes() {
    let mut evaluator = evaluator_of(WAITING);
    evaluator.without_checkpoints();
    come_and_go(&mut evaluator, "1", 1);
    send(&mut evaluator, "2", "A", 2);
    assert!(!evaluator.has_unsaved());
}

#[test]
fn a_delta_ends_when_it_is_large() {
    let mut evaluator = evaluator_of(WAITING);
    let large = |i: usize| i.to_string().repeat(3 << 20);
    (1..5).for_each(|i| drop(send(&mut evaluator, &large(i), "A", 1)));
    let sizes = |evaluator: &mut Evaluator| {
        let mut sizes = Vec::new();
        while evaluator.has_unsaved() {
            sizes.push(evaluator.save(100).len());
        }
        sizes
    };
    assert_eq!(sizes(&mut evaluator), [4, 4], "two keys each, of a condition and a rule");
    (1..5).for_each(|i| drop(send(&mut evaluator, &large(i), "B", 2)));
    assert_eq!(sizes(&mut evaluator), [4, 4], "removals likewise");
}

#[test]
fn nothing_of_a_pause_stays_in_the_store() {
    let counting = r#"{"rule_id": "r", "key_by": "ip", "trigger": {"event": {"id": "T"}}, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "A"}}]}"#;
    let (mut catalog, mut stored, first) = (Catalog::default(), BTreeMap::new(), published(counting));
    let mut evaluator = evaluator_by(&mut catalog, first.clone());
    let names = |stored: &Hashes| stored.keys().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    evaluator.install(put(&mut catalog, Published { pause: Some(1), ..first.clone() }));
    send(&mut evaluator, "1", "A", 1);
    save(&mut evaluator, 1, &mut stored);
    assert_eq!(names(&stored), ["r:@rule:1", "r:n:1"]);
    evaluator.install(put(&mut catalog, first));
    send(&mut evaluator, "1", "A", 2);
    save(&mut evaluator, 2, &mut stored);
    assert_eq!(names(&stored), ["r:n:1"]);
}
