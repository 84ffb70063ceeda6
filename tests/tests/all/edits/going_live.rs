//! Edits before the instant of publish, of rules that fire then.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Value as Json, json};
use strateye_tests::random::BASE;

use super::scene::{Scene, each_way};

/// Instant `seconds` after the rule was published, as written in a document.
fn instant(seconds: i64) -> Json {
    json!(jiff::Timestamp::from_millisecond(BASE + seconds * 1_000).unwrap().to_string())
}

/// Rule satisfied by an `A` that goes live at an instant; keys that satisfy it by then fire.
fn live_at(seconds: i64) -> Json {
    json!({"rule_id": "r", "trigger": "satisfied", "already": "fire", "active": {"from": instant(seconds)}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1d"}, "met": "value >= 1"}]})
}

/// Users for whom the rule fired, and the instants in seconds.
fn fired(scene: &mut Scene) -> Vec<(u64, i64)> {
    scene.fired().iter().map(|t| (t.key.as_u64().unwrap(), (t.fired_at - BASE) / 1_000)).collect()
}

#[test]
fn an_edit_that_takes_the_firing_away_leaves_none() {
    each_way(&live_at(100), |scene| {
        scene.send(1, &["A"]);
        scene.edit("/already", json!("skip"));
        scene.reach(200);
        assert_eq!(fired(scene), []);
    });
}

#[test]
fn an_edit_that_adds_the_firing_adds_it_for_those_who_are_touched_from_then_on() {
    let mut rule = live_at(100);
    rule["already"] = json!("skip");
    each_way(&rule, |scene| {
        scene.send(1, &["A"]);
        scene.send(2, &["A"]);
        scene.edit("/already", json!("fire"));
        scene.send(2, &["A"]);
        scene.reach(200);
        assert_eq!(fired(scene), [(2, 100)]);
    });
}

#[test]
fn the_firing_moves_with_the_instant_of_publish() {
    for to in [150, 50] {
        each_way(&live_at(100), |scene| {
            scene.send(1, &["A"]);
            scene.edit("/active/from", instant(to));
            scene.reach(to - 1);
            assert_eq!(fired(scene), []);
            scene.reach(to + 1);
            assert_eq!(fired(scene), [(1, to)]);
            scene.reach(300);
            assert_eq!(fired(scene), [], "once");
        });
    }
}

#[test]
fn where_the_instant_moves_to_before_the_last_touch_the_key_is_judged_at_that() {
    each_way(&live_at(100), |scene| {
        scene.move_to(30);
        scene.send(1, &["A"]);
        scene.move_to(40);
        scene.edit("/active/from", instant(20));
        scene.reach(41);
        assert_eq!(fired(scene), [(1, 30)]);
    });
}

#[test]
fn the_firing_of_a_second_publish_has_an_id_of_its_own() {
    let ids = RefCell::new(BTreeSet::new());
    each_way(&live_at(100), |scene| {
        scene.send(1, &["A"]);
        scene.reach(101);
        let first = scene.fired();
        scene.retire();
        scene.rule = live_at(300);
        scene.publish();
        scene.send(1, &["A"]);
        scene.reach(301);
        let second = scene.fired();
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first[0].trigger_id, second[0].trigger_id);
        ids.borrow_mut().extend([first, second].concat().into_iter().map(|trigger| trigger.trigger_id));
    });
    assert_eq!(ids.borrow().len(), 2, "saving and restoring state changes no id");
}
