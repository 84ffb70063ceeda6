//! Edits, rollbacks, retirement: state that is kept or begins anew, and state that must not return.

use operators::document::lifecycle::Gap;
use serde_json::json;

use super::scene::{GAPS, Scene, counting, each_way};

#[test]
fn a_rollback_does_not_bring_back_the_state_of_the_version_it_rolls_back_to() {
    each_way(&counting(), |scene| {
        let (a, b) = (json!({"id": "A"}), json!({"id": "B"}));
        scene.send(1, &["A", "A"]);
        scene.edit("/conditions/0/event", b);
        scene.send(1, &["B"]);
        assert_eq!(scene.count(1), 1);
        scene.edit("/conditions/0/event", a.clone());
        assert_eq!(scene.count(1), 0);
        scene.send(1, &["A"]);
        assert_eq!(scene.count(1), 1);
        // A user without events meanwhile.
        scene.send(2, &["A"]);
        scene.edit("/conditions/0/event", json!({"id": "B"}));
        scene.edit("/conditions/0/event", a);
        assert_eq!(scene.count(2), 0);
    });
}

#[test]
fn a_condition_taken_out_and_put_in_again_begins_anew() {
    each_way(&counting(), |scene| {
        let with = scene.rule.clone();
        scene.send(1, &["A"]);
        scene.rule["conditions"] = json!([{"id": "b", "calculator": "count", "event": {"id": "B"}}]);
        scene.rule["when"] = json!("b.value >= 0");
        scene.publish();
        scene.send(1, &["T"]);
        assert_eq!(scene.values("b"), [0]);
        scene.rule = with;
        scene.publish();
        assert_eq!(scene.count(1), 0);
    });
}

#[test]
fn a_ttl_that_is_taken_out_and_put_in_again_counts_from_the_last_touch() {
    const DAY: i64 = 86_400;
    let mut rule = counting();
    rule["ttl"] = json!("30d");
    each_way(&rule, |scene| {
        scene.send(1, &["A"]);
        scene.restart(1);
        scene.rule.as_object_mut().unwrap().remove("ttl");
        scene.publish();
        scene.reach(40 * DAY);
        scene.send(1, &["A"]);
        scene.restart(2);
        scene.edit("/ttl", json!("30d"));
        scene.reach(41 * DAY);
        scene.sweep();
        assert_eq!(scene.count(1), 2);
        scene.reach(72 * DAY);
        assert_eq!(scene.count(1), 0);
    });
}

#[test]
fn a_ttl_that_an_edit_adds_counts_from_the_edit_for_whom_no_event_concerned_since() {
    each_way(&counting(), |scene| {
        (1..5).for_each(|user| scene.send(user, &["A"]));
        scene.move_to(1_000);
        scene.edit("/ttl", json!("60s"));
        scene.reach(1_030);
        scene.send(1, &["A"]);
        scene.reach(1_060);
        assert_eq!(scene.count(2), 1, "idle for exactly 60 s");
        scene.reach(1_061);
        assert_eq!((scene.count(1), scene.count(3)), (2, 0));
        scene.reach(1_092);
        scene.sweep();
        assert_eq!(scene.count(4), 0);
    });
}

#[test]
fn touches_in_a_pause_count_no_earlier_than_others() {
    for gap in GAPS {
        each_way(&counting(), |scene| {
            (1..3).for_each(|user| scene.send(user, &["A"]));
            scene.pause();
            scene.reach(500);
            scene.send(1, &["A"]);
            scene.resume(gap);
            scene.reach(1_000);
            scene.edit("/ttl", json!("60s"));
            scene.reach(1_060);
            let counted = [1, 2].map(|user| scene.count(user));
            assert_eq!(counted, [if gap == Gap::Skip { 1 } else { 2 }, 1], "{gap:?}");
        });
    }
}

#[test]
fn who_was_touched_when_is_known_of_people_whose_crowd_was_taken_away() {
    const DAY: i64 = 86_400;
    let mut rule = counting();
    rule["crowd"] = json!({"guids": [1, 2]});
    each_way(&rule, |scene| {
        scene.edit("/crowd", json!({"guids": [2]}));
        scene.send(2, &["A"]);
        scene.restart(1);
        scene.rule.as_object_mut().unwrap().remove("crowd");
        scene.publish();
        scene.reach(40 * DAY);
        scene.send(2, &["A"]);
        scene.restart(2);
        scene.edit("/ttl", json!("30d"));
        scene.reach(41 * DAY);
        scene.sweep();
        assert_eq!(scene.count(2), 2);
    });
}

#[test]
fn a_correction_before_any_event_is_idle_from_the_first_clock_on() {
    let mut rule = counting();
    rule["ttl"] = json!("1h");
    each_way(&rule, |scene| {
        (1..4).for_each(|user| scene.correct("a", &user.to_string(), Some("5")));
        scene.reach(10);
        assert_eq!(scene.count(1), 5);
        scene.reach(10 + 3_600);
        assert_eq!(scene.count(2), 5);
        scene.reach(10 + 3_601);
        assert_eq!(scene.count(3), 0);
    });
}

#[test]
fn a_rollback_of_what_is_done_alone_keeps_the_state() {
    each_way(&counting(), |scene| {
        scene.send(1, &["A"]);
        scene.edit("/when", json!("a.value >= 5"));
        scene.send(1, &["A", "T"]);
        assert_eq!(scene.fired(), []);
        scene.edit("/when", json!("a.value >= 0"));
        assert_eq!(scene.count(1), 2);
    });
}

#[test]
fn another_key_begins_anew_and_going_back_does_too() {
    each_way(&counting(), |scene| {
        let send = |scene: &mut Scene, event_id: &str| {
            scene.send_with(event_id, json!({"guid": 1, "ip": "10.0.0.7"}))
        };
        send(scene, "A");
        for key_by in ["ip", "guid", "ip"] {
            scene.edit("/key_by", json!(key_by));
            send(scene, "T");
            assert_eq!(scene.values("a"), [0], "{key_by}");
            send(scene, "A");
            send(scene, "T");
            assert_eq!(scene.values("a"), [1], "{key_by}");
        }
        scene.reach(3_600);
        scene.sweep();
        assert_eq!(scene.engine.keys(), 1, "the other keys are let go");
    });
}

#[test]
fn a_rule_published_again_after_its_retirement_begins_anew_whatever_its_version() {
    for version in [1, 2] {
        let mut rule = counting();
        rule["limit"] = json!({"times": 1});
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            assert_eq!(scene.count(1), 1);
            scene.retire();
            scene.send(1, &["A", "T"]);
            scene.publish_as(version);
            assert_eq!(scene.count(1), 0, "neither state nor limit");
            scene.send(1, &["A"]);
            scene.retire();
            scene.publish_as(version);
            scene.edit("/limit/times", json!(9));
            assert_eq!(scene.count(1), 0);
        });
    }
}

#[test]
fn a_limit_taken_out_and_put_in_again_knows_its_firings() {
    let mut rule = counting();
    rule["limit"] = json!({"times": 1});
    each_way(&rule, |scene| {
        assert_eq!(scene.count(1), 0);
        scene.edit("/limit", json!({"times": 2}));
        assert_eq!(scene.count(1), 0);
        scene.send(1, &["T"]);
        assert_eq!(scene.fired(), []);
    });
}

#[test]
fn an_edit_that_turns_when_true_does_not_fire_by_itself_nor_at_the_next_touch() {
    let rule = json!({"rule_id": "r", "trigger": "satisfied", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "met": "value >= 5"}, {"id": "b", "calculator": "count", "event": {"id": "B"}, "met": "value >= 0"}]});
    each_way(&rule, |scene| {
        scene.send(1, &["A", "A"]);
        scene.edit("/conditions/0/met", json!("value >= 2"));
        scene.reach(10);
        scene.send(1, &["B", "A"]);
        assert_eq!(scene.fired(), [], "it holds at the touch already");
        scene.edit("/conditions/0/met", json!("value >= 4"));
        scene.send(1, &["A"]);
        assert_eq!(scene.values("a"), [4], "it holds not, and then does");
        // Back and forth without a touch: the former edge is not resumed.
        scene.edit("/conditions/0/met", json!("value >= 6"));
        scene.edit("/conditions/0/met", json!("value >= 4"));
        scene.send(1, &["B"]);
        assert_eq!(scene.fired(), []);
    });
}

#[test]
fn what_is_left_of_another_key_does_not_harm_a_key_of_the_same_text() {
    let mut rule = counting();
    let absence = json!({"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "60s"}});
    rule["conditions"].as_array_mut().unwrap().push(absence);
    each_way(&rule, |scene| {
        scene.send(1, &["A", "A"]);
        scene.reach(10);
        scene.edit("/key_by", json!("device_id"));
        scene.send_with("A", json!({"device_id": "1"}));
        scene.reach(65);
        scene.restart(2);
        scene.send_with("T", json!({"device_id": "1"}));
        assert_eq!(scene.values("a"), [1]);
    });
}
