//! Tests of the filing of timers.

use std::collections::BTreeMap;

use super::{
    super::emitted::Emitted,
    scene::{edited, evaluator, evaluator_by, event, load, published, put, save, send},
};
use crate::{model::ids::CheckpointNumber, rule::catalog::Catalog};

#[test]
fn a_key_has_one_timer_filed_however_often_it_is_touched() {
    let mut evaluator = evaluator();
    for i in 0..50 {
        event(&mut evaluator, "1", i);
        event(&mut evaluator, "2", i);
    }
    assert_eq!(evaluator.store.timers(), 2);
    for i in 50..80 {
        // Cleared and set again, so that it is a new timer each time.
        send(&mut evaluator, "1", "B", i);
        event(&mut evaluator, "1", i);
    }
    assert_eq!(evaluator.store.timers(), 2);
    let mut emitted = Emitted::default();
    assert!(evaluator.advance(180, 100, &mut emitted));
    let deadlines: Vec<_> =
        emitted.triggers.iter().map(|t| t.read().unwrap().cause.unwrap().deadline).collect();
    assert_eq!((deadlines, evaluator.store.timers()), (vec![Some(100), Some(179)], 0));
}

#[test]
fn a_key_that_leaves_memory_takes_its_timer_along() {
    let (mut evaluator, mut stored) = (evaluator(), BTreeMap::new());
    event(&mut evaluator, "1", 10);
    save(&mut evaluator, 1, &mut stored);
    evaluator.compacted(CheckpointNumber(1));
    for _ in 0..20 {
        evaluator.evict(100);
        assert_eq!((evaluator.keys(), evaluator.store.timers()), (0, 0));
        load(&mut evaluator, "1", &stored);
        assert_eq!((evaluator.keys(), evaluator.store.timers()), (1, 1));
    }
}

/// Rule that fires at publish, `seconds` after the epoch, for keys that had an `A` by then.
fn live_at(seconds: u64) -> String {
    r#"{"rule_id": "r", "key_by": "ip", "trigger": "satisfied", "already": "fire", "active": {"from": "1970-01-01T00:SS:00Z"},
        "conditions": [{"id": "n", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1d"}, "met": "value >= 1"}]}"#
        .replace("SS", &format!("{:02}", seconds / 60))
}

#[test]
fn the_instant_of_publish_brings_keys_back_where_an_edit_moves_it_to() {
    for (to, moved) in [(300, "earlier"), (900, "later")] {
        let (mut catalog, mut stored) = (Catalog::default(), BTreeMap::new());
        let first = published(&live_at(600));
        let mut evaluator = evaluator_by(&mut catalog, first.clone());
        event(&mut evaluator, "1", 10);
        save(&mut evaluator, 1, &mut stored);
        evaluator.compacted(CheckpointNumber(1));
        evaluator.evict(100);
        assert_eq!(evaluator.memory().evicted, 1);
        evaluator.install(put(&mut catalog, edited(&first, &live_at(to), 0)));
        let (mut due, mut emitted) = (Vec::new(), Emitted::default());
        for clock in [300_000, 600_000, 900_000] {
            evaluator.advance(clock, 100, &mut emitted);
            evaluator.wake(clock, 100, &mut due);
            for _ in due.drain(..) {
                let id = load(&mut evaluator, "1", &stored);
                evaluator.catch_up(id, &mut emitted);
            }
        }
        let fired: Vec<_> = emitted.triggers.iter().map(|t| t.read().unwrap().fired_at).collect();
        assert_eq!(fired, [to as i64 * 1_000], "{moved}");
    }
}
