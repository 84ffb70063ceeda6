use std::collections::BTreeMap;

use super::*;
use crate::{
    ops::{
        Emitted,
        evaluating::scene::{edited, evaluator, evaluator_by, event, hash, load, published, put, save},
    },
    rule::catalog::Catalog,
};

#[test]
fn nothing_leaves_before_it_is_compacted() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    save(&mut evaluator, 3, &mut stored);
    event(&mut evaluator, "1", 10);
    let evicted = |evaluator: &mut Evaluator| {
        evaluator.evict(100);
        evaluator.memory().evicted
    };
    assert_eq!(evicted(&mut evaluator), 0, "it is not saved");
    save(&mut evaluator, 5, &mut stored);
    assert_eq!(evicted(&mut evaluator), 0, "it is saved and not folded");
    evaluator.compacted(CheckpointNumber(3));
    assert_eq!(evicted(&mut evaluator), 0, "the checkpoint before is folded");
    event(&mut evaluator, "1", 20);
    evaluator.compacted(CheckpointNumber(5));
    assert_eq!(evicted(&mut evaluator), 0, "it has changed since");
    save(&mut evaluator, 9, &mut stored);
    evaluator.compacted(CheckpointNumber(9));
    assert_eq!(evicted(&mut evaluator), 1);
    assert_eq!((evaluator.keys(), evaluator.memory().bytes), (0, 0));
}

#[test]
fn what_was_used_lately_stays_for_another_round() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    (1..9).for_each(|key| event(&mut evaluator, &key.to_string(), 10));
    save(&mut evaluator, 1, &mut stored);
    evaluator.compacted(CheckpointNumber(1));
    evaluator.evict(8);
    assert_eq!(evaluator.keys(), 8, "all were used");
    event(&mut evaluator, "3", 20);
    save(&mut evaluator, 2, &mut stored);
    evaluator.compacted(CheckpointNumber(2));
    evaluator.evict(8);
    let three = hash(&evaluator, "3");
    assert_eq!((evaluator.keys(), evaluator.is_evicted(three, 0, "3")), (1, false));
}

#[test]
fn a_key_comes_back_as_it_left_with_its_timer_and_its_now() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    event(&mut evaluator, "1", 50);
    event(&mut evaluator, "1", 60);
    let before = evaluator.figures(60);
    save(&mut evaluator, 1, &mut stored);
    evaluator.compacted(CheckpointNumber(1));
    evaluator.evict(100);
    let mut due = Vec::new();
    assert!(evaluator.advance(150, 10, &mut Emitted::default()) && evaluator.wake(150, 10, &mut due));
    assert_eq!(due.len(), 0, "due at 150 is not below 150");
    assert!(evaluator.advance(151, 10, &mut Emitted::default()) && evaluator.wake(151, 10, &mut due));
    assert_eq!(due.iter().map(|key| &*key.key).collect::<Vec<_>>(), ["1"]);
    let id = load(&mut evaluator, "1", &stored);
    assert_eq!((evaluator.figures(60), evaluator.store.block(id).last_now()), (before, 60));
    let mut emitted = Emitted::default();
    evaluator.catch_up(id, &mut emitted);
    let deadlines: Vec<_> =
        emitted.triggers.iter().map(|t| t.read().unwrap().cause.unwrap().deadline).collect();
    assert_eq!(deadlines, [Some(150)]);
}

#[test]
fn bytes_are_what_is_there() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    let empty = evaluator.memory().bytes;
    for round in 0..3 {
        (0..20).for_each(|key| event(&mut evaluator, &format!("{round}:{key}"), 10 + round));
        evaluator.sweep(7);
        save(&mut evaluator, round as u64 + 1, &mut stored);
    }
    let full = evaluator.memory().bytes;
    assert!((60 * 200..60 * 2_000).contains(&full), "{full} bytes");
    evaluator.compacted(CheckpointNumber(3));
    evaluator.evict(1_000);
    assert_eq!((evaluator.keys(), evaluator.memory().bytes), (0, empty));
}

/// Counts every `A` of an `ip`.
fn counting(rule_id: &str, more: &str) -> String {
    r#"{"rule_id": "ID", "key_by": "ip", MORE "trigger": {"event": {"id": "A"}}, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "A"}}]}"#
        .replace("ID", rule_id)
        .replace("MORE", more)
}

#[test]
fn a_key_that_leaves_while_others_come_in_counts_as_touched_when_the_rule_was_edited() {
    let mut catalog = Catalog::default();
    let mut evaluator =
        evaluator_by(&mut catalog, published(&counting("limited", r#""limit": {"times": 1},"#)));
    let plain = published(&counting("plain", ""));
    evaluator.install(put(&mut catalog, plain.clone()));
    let names = StateNames::of(evaluator.book());
    let states = [("limited:@rule:1", r#"{"touched": 10, "firings": [10]}"#), ("plain:n:1", "7")];
    for (name, text) in states {
        evaluator.restore(&names, &Change { name, key: "1", text: Some(text) }).unwrap();
        evaluator.evict(100);
        assert_eq!(evaluator.memory().evicted, 1);
    }
    evaluator.restored(1_000);
    let idle = edited(&plain, &counting("plain", r#""ttl": "100ms","#), 1_050);
    evaluator.install(put(&mut catalog, idle));
    let stored = states.map(|(name, text)| ((name.to_owned(), "1".to_owned()), text.to_owned()));
    load(&mut evaluator, "1", &stored.into());
    let counted = |evaluator: &mut Evaluator, now: i64| {
        evaluator.figures(now).into_iter().find(|f| f.rule_id == "plain").map(|f| f.outputs)
    };
    assert_eq!(counted(&mut evaluator, 1_150), Some(serde_json::json!({"value": 7})));
    assert_eq!(counted(&mut evaluator, 1_151), None, "idle beyond ttl");
    event(&mut evaluator, "1", 1_150);
    assert_eq!(counted(&mut evaluator, 1_250), Some(serde_json::json!({"value": 8})));
}
