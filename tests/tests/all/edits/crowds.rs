//! People who leave a crowd, come back, and enter.

use operators::document::lifecycle::Gap;
use serde_json::{Value as Json, json};

use super::scene::{KEPT, Scene, counting, each_way};

fn for_users(users: &[u64]) -> Json {
    let mut rule = counting();
    rule["crowd"] = json!({"guids": users});
    rule
}

fn crowd(scene: &mut Scene, users: &[u64]) {
    scene.edit("/crowd", json!({"guids": users}));
}

#[test]
fn who_comes_back_before_seven_days_keeps_the_state_and_who_is_later_does_not() {
    for (away, kept) in [(KEPT - 1, 2), (KEPT, 0), (KEPT + 3_600, 0)] {
        each_way(&for_users(&[1, 2]), |scene| {
            scene.send(1, &["A", "A"]);
            scene.send(2, &["A"]);
            crowd(scene, &[2]);
            scene.send(1, &["A", "T"]);
            assert_eq!(scene.fired(), [], "outside");
            scene.move_to(away);
            crowd(scene, &[1, 2]);
            assert_eq!(scene.count(1), kept, "away for {away} s");
            assert_eq!(scene.count(2), 1, "never left");
            scene.send(1, &["A"]);
            scene.reach(3 * KEPT);
            scene.sweep();
            assert_eq!(scene.count(1), kept + 1, "what they do after coming back stays");
        });
    }
}

#[test]
fn leavers_are_swept_out_after_exactly_seven_days() {
    each_way(&for_users(&[1, 2, 3]), |scene| {
        (1..4).for_each(|user| scene.send(user, &["A"]));
        crowd(scene, &[2]);
        scene.reach(KEPT - 1);
        scene.sweep();
        assert_eq!(scene.engine.keys(), 3);
        scene.reach(KEPT);
        scene.sweep();
        assert_eq!(scene.engine.keys(), 1);
        scene.restart(2);
        assert_eq!(scene.engine.keys(), 1, "nothing of them is stored");
        assert_eq!(scene.count(2), 1);
    });
}

#[test]
fn who_was_away_for_long_begins_anew_however_often_the_crowd_has_changed_meanwhile() {
    each_way(&for_users(&[1, 2, 3]), |scene| {
        scene.send(1, &["A", "A"]);
        crowd(scene, &[2, 3]);
        // Without a sweep the state exists all the while, like that of an evicted key.
        scene.move_to(2 * KEPT);
        crowd(scene, &[2]);
        scene.move_to(4 * KEPT);
        crowd(scene, &[1, 2]);
        scene.move_to(6 * KEPT);
        crowd(scene, &[1]);
        assert_eq!(scene.count(1), 0);
        scene.send(1, &["A"]);
        scene.move_to(8 * KEPT);
        crowd(scene, &[1, 3]);
        assert_eq!(scene.count(1), 1, "and keeps what came after");
    });
}

#[test]
fn leaving_again_counts_anew() {
    each_way(&for_users(&[1, 2]), |scene| {
        scene.send(1, &["A"]);
        crowd(scene, &[2]);
        scene.reach(KEPT - 10);
        crowd(scene, &[1, 2]);
        crowd(scene, &[2]);
        scene.reach(KEPT + 100);
        scene.sweep();
        crowd(scene, &[1, 2]);
        assert_eq!(scene.count(1), 1);
    });
}

#[test]
fn users_in_a_tuple_leave_too_and_ips_belong_to_nobody() {
    let send = |scene: &mut Scene, event_id: &str| {
        scene.send_with(event_id, json!({"guid": 1, "ip": "10.0.0.7"}));
    };
    for (key_by, kept) in [(json!(["ip", "guid"]), 0), (json!("ip"), 2), (json!(["ip", "session_id"]), 2)] {
        let mut rule = for_users(&[1, 2]);
        rule["key_by"] = key_by.clone();
        each_way(&rule, |scene| {
            let send = |scene: &mut Scene, event_id: &str| match key_by[1] == "session_id" {
                true => scene.send_with(event_id, json!({"guid": 1, "ip": "10.0.0.7", "session_id": "s"})),
                false => send(scene, event_id),
            };
            send(scene, "A");
            send(scene, "A");
            crowd(scene, &[2]);
            scene.reach(2 * KEPT);
            scene.sweep();
            crowd(scene, &[1, 2]);
            send(scene, "T");
            assert_eq!(scene.values("a"), [kept], "{key_by}");
        });
    }
}

#[test]
fn a_rule_whose_crowd_is_taken_away_is_for_all_and_lets_nobody_go() {
    each_way(&for_users(&[1, 2]), |scene| {
        scene.send(1, &["A"]);
        crowd(scene, &[2]);
        scene.rule.as_object_mut().unwrap().remove("crowd");
        scene.publish();
        scene.reach(2 * KEPT);
        scene.sweep();
        assert_eq!(scene.count(1), 1);
    });
}

#[test]
fn who_enters_begins_then_and_there() {
    let mut rule = for_users(&[2]);
    rule["conditions"][0]["window"] = json!({"last": "1h"});
    each_way(&rule, |scene| {
        scene.send(1, &["A", "A"]);
        scene.move_to(10);
        crowd(scene, &[1, 2]);
        scene.send(1, &["A"]);
        assert_eq!(scene.count(1), 1);
    });
}

#[test]
fn a_leaver_is_let_go_in_a_pause_and_what_was_put_aside_with_him() {
    for gap in [Gap::Replay, Gap::Skip] {
        each_way(&for_users(&[1, 2]), |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A"]);
            crowd(scene, &[2]);
            scene.reach(KEPT);
            crowd(scene, &[1, 2]);
            scene.send(1, &["A"]);
            scene.resume(gap);
            assert_eq!(scene.count(1), u64::from(gap == Gap::Replay));
        });
    }
}

#[test]
fn a_leaver_s_timer_runs_and_fires_within_the_seven_days_and_not_after() {
    let days = |days: u64| {
        json!({"rule_id": "r", "crowd": {"guids": [1, 2]}, "trigger": {"each": "n"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": format!("{days}d")}}]})
    };
    for (within, fired) in [(6, 1), (8, 0)] {
        each_way(&days(within), |scene| {
            scene.send(1, &["A"]);
            scene.reach(1);
            crowd(scene, &[2]);
            scene.reach(2 * KEPT);
            assert_eq!(scene.values("n").len(), fired, "{within} days");
        });
    }
}
