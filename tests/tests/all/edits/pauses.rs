//! Pauses, replayed and skipped: counts, limits, edges, idle keys, corrections, resets, edits.

use operators::document::lifecycle::Gap;
use serde_json::json;

use super::scene::{GAPS, Scene, Way, counting, each_way};

#[test]
fn events_of_a_pause_count_if_it_is_replayed_and_else_do_not() {
    for (gap, counts) in [(Gap::Replay, [5, 6]), (Gap::Skip, [2, 3])] {
        each_way(&counting(), |scene| {
            scene.send(1, &["A", "A"]);
            scene.pause();
            scene.send(1, &["A", "A", "T", "A", "T"]);
            assert_eq!(scene.values("a"), [0; 0], "nothing fires");
            scene.resume(gap);
            assert_eq!(scene.count(1), counts[0]);
            scene.send(1, &["A"]);
            assert_eq!(scene.count(1), counts[1]);
        });
    }
}

#[test]
fn of_two_pauses_each_is_taken_as_it_was_resumed() {
    for first in GAPS {
        for second in GAPS {
            each_way(&counting(), |scene| {
                let all =
                    |scene: &mut Scene, users: &[u64]| users.iter().for_each(|u| scene.send(*u, &["A"]));
                // Bit 0: an event before, bit 1: in the first pause, bit 2: between the two, bit 3: in the
                // second. The number 0 is no user.
                let users = |bit: u64| (16..32).filter(|u| u & (1 << bit) != 0).collect::<Vec<_>>();
                all(scene, &users(0));
                scene.pause();
                all(scene, &users(1));
                scene.resume(first);
                all(scene, &users(2));
                scene.pause();
                all(scene, &users(3));
                scene.resume(second);
                let counted =
                    0b101 | u64::from(first == Gap::Replay) << 1 | u64::from(second == Gap::Replay) << 3;
                for user in 16..32 {
                    assert_eq!(scene.count(user), u64::from((user & counted).count_ones()), "{user:04b}");
                    scene.send(user, &["A"]);
                    assert_eq!(scene.count(user), u64::from((user & counted).count_ones()) + 1, "{user:04b}");
                }
            });
        }
    }
}

#[test]
fn what_came_after_a_skipped_pause_is_not_put_back_by_later_restarts() {
    each_way(&counting(), |scene| {
        scene.send(1, &["A"]);
        scene.pause();
        scene.send(1, &["A", "A"]);
        scene.restart(2);
        scene.resume(Gap::Skip);
        scene.restart(3);
        scene.send(1, &["A"]);
        scene.restart(1);
        assert_eq!(scene.count(1), 2);
        scene.send(1, &["A"]);
        scene.restart(2);
        assert_eq!(scene.count(1), 3);
    });
}

#[test]
fn nothing_stays_of_keys_that_were_seen_in_a_skipped_pause_alone() {
    each_way(&counting(), |scene| {
        scene.pause();
        (1..9).for_each(|user| scene.send(user, &["A"]));
        scene.resume(Gap::Skip);
        scene.reach(60);
        scene.sweep();
        assert_eq!(scene.engine.keys(), 0);
        scene.restart(2);
        assert_eq!(scene.engine.keys(), 0);
        assert_eq!(scene.count(1), 0);
    });
}

#[test]
fn firings_barred_by_a_pause_spend_no_limit_and_reset_nothing() {
    let mut rule = counting();
    rule["limit"] = json!({"times": 2});
    for gap in GAPS {
        each_way(&rule, |scene| {
            scene.send(1, &["T"]);
            scene.pause();
            scene.send(1, &["T", "T", "T"]);
            scene.resume(gap);
            scene.send(1, &["T", "T", "T"]);
            assert_eq!(scene.values("a").len(), 2, "one before, one after");
        });
    }
    let mut rule = counting();
    rule["reset"] = json!(true);
    for (gap, count) in [(Gap::Replay, 2), (Gap::Skip, 1)] {
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A", "T"]);
            scene.resume(gap);
            assert_eq!([scene.count(1), scene.count(1)], [count, 0]);
        });
    }
}

#[test]
fn a_limit_of_firings_before_the_pause_goes_on() {
    let mut rule = counting();
    rule["limit"] = json!({"times": 1, "per": "100s"});
    for gap in GAPS {
        each_way(&rule, |scene| {
            scene.send(1, &["T"]);
            scene.move_to(10);
            scene.pause();
            scene.send(1, &["T"]);
            scene.move_to(50);
            scene.resume(gap);
            scene.send(1, &["T"]);
            scene.move_to(100);
            scene.send(1, &["T", "T"]);
            let fired: Vec<i64> = scene.timed("a").into_iter().map(|(at, _)| at).collect();
            assert_eq!(fired, [0, 100]);
        });
    }
}

#[test]
fn an_edge_in_a_pause_is_spent_if_it_is_replayed_and_else_still_to_come() {
    let rule = json!({"rule_id": "r", "trigger": "satisfied", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "met": "value >= 2"}]});
    for (gap, fired) in [(Gap::Replay, vec![]), (Gap::Skip, vec![2])] {
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A"]);
            scene.resume(gap);
            scene.send(1, &["A", "A"]);
            assert_eq!(scene.values("a"), fired);
        });
    }
    // Turned true before, and false again during the pause: only if that counts may it turn true once more.
    let rule = json!({"rule_id": "r", "trigger": "satisfied", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "met": "value % 2 == 1"}]});
    for (gap, fired) in [(Gap::Replay, vec![1, 3]), (Gap::Skip, vec![1, 3])] {
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A"]);
            scene.resume(gap);
            scene.send(1, &["A"]);
            if gap == Gap::Skip {
                assert_eq!(scene.values("a"), [1], "it has turned false");
                scene.send(1, &["A"]);
                assert_eq!(scene.values("a"), fired[1..]);
            } else {
                assert_eq!(scene.values("a"), fired);
            }
        });
    }
}

#[test]
fn a_key_idle_beyond_ttl_is_as_new_and_a_skipped_touch_does_not_keep_it() {
    let mut rule = counting();
    rule["ttl"] = json!("60s");
    for (gap, count) in [(Gap::Replay, 2), (Gap::Skip, 0)] {
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.move_to(40);
            scene.send(1, &["A"]);
            scene.resume(gap);
            scene.move_to(90);
            assert_eq!(scene.count(1), count);
        });
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.move_to(61);
            scene.send(1, &["A"]);
            scene.resume(gap);
            assert_eq!(scene.count(1), u64::from(gap == Gap::Replay));
        });
    }
}

#[test]
fn edits_in_a_pause_hold_for_what_was_put_aside_too() {
    for (gap, kept) in [(Gap::Replay, 3), (Gap::Skip, 1)] {
        let mut rule = counting();
        let other = json!({"id": "b", "calculator": "count", "event": {"id": "B"}});
        rule["conditions"].as_array_mut().unwrap().push(other);
        each_way(&rule, |scene| {
            scene.send(1, &["A", "B"]);
            scene.pause();
            scene.send(1, &["A", "B"]);
            scene.edit("/limit", json!({"times": 9}));
            scene.edit("/conditions/1/event", json!({"id": ["B", "C"]}));
            scene.send(1, &["A", "B"]);
            scene.resume(gap);
            scene.send(1, &["C", "T"]);
            let fired = scene.fired();
            let values = |c: &str| fired[0].values[c]["value"].as_u64().unwrap();
            assert_eq!((values("a"), values("b")), (kept, if gap == Gap::Replay { 2 } else { 1 }));
        });
        // Conditions change places, and the rule is edited between resuming and the next touch.
        each_way(&rule, |scene| {
            scene.send(1, &["A", "B", "B"]);
            scene.pause();
            scene.send(1, &["A", "A"]);
            scene.resume(gap);
            scene.rule["conditions"].as_array_mut().unwrap().reverse();
            scene.publish();
            assert_eq!(scene.count(1), kept);
        });
    }
}

#[test]
fn another_key_leaves_nothing_aside() {
    for gap in GAPS {
        each_way(&counting(), |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A"]);
            scene.edit("/key_by", json!(["guid"]));
            scene.send(1, &["A"]);
            scene.resume(gap);
            assert_eq!(scene.count(1), u64::from(gap == Gap::Replay));
        });
    }
}

#[test]
fn a_pause_of_a_rule_that_is_retired_in_it_is_nothing_to_its_next_life() {
    each_way(&counting(), |scene| {
        scene.send(1, &["A"]);
        scene.pause();
        scene.send(1, &["A"]);
        scene.retire();
        scene.publish_as(1);
        scene.send(1, &["A"]);
        assert_eq!(scene.count(1), 1);
    });
}

#[test]
fn corrections_in_a_pause_are_by_people_and_count_in_any_case() {
    for (gap, count) in [(Gap::Replay, 8), (Gap::Skip, 7)] {
        each_way(&counting(), |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.send(1, &["A"]);
            scene.correct("a", "1", Some("7"));
            scene.send(1, &["A"]);
            scene.resume(gap);
            assert_eq!(scene.count(1), count);
        });
    }
}

#[test]
fn keys_that_hold_at_publish_do_not_fire_if_it_falls_into_a_pause() {
    let from = jiff::Timestamp::from_millisecond(strateye_tests::random::BASE + 100_000).unwrap().to_string();
    let rule = json!({"rule_id": "r", "trigger": "satisfied", "already": "fire", "active": {"from": from}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1h"}}]});
    each_way(&rule, |scene| {
        scene.send(1, &["A"]);
        scene.reach(101);
        assert_eq!(scene.timed("a"), [(100, 1)], "without a pause");
    });
    for gap in GAPS {
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.pause();
            scene.move_to(50);
            scene.send(2, &["A"]);
            scene.reach(101);
            scene.resume(gap);
            scene.reach(200);
            [1, 2].iter().for_each(|user| scene.send(*user, &["A"]));
            scene.reach(201);
            let expected = if gap == Gap::Replay { vec![] } else { vec![(200, 1)] };
            assert_eq!(
                scene.timed("a"),
                expected,
                "the one who was not there before comes to hold after the pause"
            );
        });
    }
}

#[test]
fn a_restart_right_after_resuming_skips_all_the_same() {
    for workers in [1, 4] {
        let mut scene = Scene::new(&counting(), Way::Plain);
        (1..21).for_each(|user| scene.send(user, &["A"]));
        scene.pause();
        (1..21).for_each(|user| scene.send(user, &["A", "A"]));
        scene.restart(workers);
        (1..21).step_by(2).for_each(|user| scene.send(user, &["A"]));
        scene.resume(Gap::Skip);
        scene.restart(5 - workers);
        (1..21).for_each(|user| assert_eq!(scene.count(user), 1));
    }
}
