//! Timers over pauses and edits: armed and due before, during and after them.
//!
//! Unless stated otherwise no key is touched when they are due: the clock alone runs them.

use operators::document::lifecycle::Gap;
use serde_json::{Value as Json, json};

use super::scene::{GAPS, Scene, counting, each_way};

/// Fires when no `B` follows an `A` within a minute; any `C` touches the key.
fn unpaid() -> Json {
    json!({"rule_id": "r", "trigger": {"each": "n"}, "when": "n.value > 0 && c.value >= 0", "conditions": [
        {"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "60s"}},
        {"id": "c", "calculator": "count", "event": {"id": "C"}}]})
}

/// Sends an `A` at once, pauses the rule from 10 s to `until`, and sends `meanwhile` when the pause begins.
fn pause_after_an_a(scene: &mut Scene, meanwhile: &[&str], until: i64, gap: Gap) {
    scene.send(1, &["A"]);
    scene.reach(10);
    scene.pause();
    scene.send(1, meanwhile);
    scene.reach(until);
    scene.resume(gap);
}

#[test]
fn due_in_the_pause_it_fires_nothing_and_counts_only_if_replayed() {
    for (gap, next) in [(Gap::Replay, 2), (Gap::Skip, 1)] {
        for touched in [vec![], vec!["C"]] {
            each_way(&unpaid(), |scene| {
                pause_after_an_a(scene, &touched, 70, gap);
                scene.reach(100);
                scene.send(1, &["A"]);
                scene.reach(161);
                assert_eq!(scene.timed("n"), [(160, next)], "{gap:?} {touched:?}");
            });
        }
    }
}

#[test]
fn due_after_the_pause_it_fires_as_ever() {
    for gap in GAPS {
        for touched in [vec![], vec!["C"]] {
            each_way(&unpaid(), |scene| {
                pause_after_an_a(scene, &touched, 20, gap);
                scene.reach(61);
                assert_eq!(scene.timed("n"), [(60, 1)], "{gap:?} {touched:?}");
                scene.send(1, &["A"]);
                scene.reach(122);
                assert_eq!(scene.timed("n"), [(121, 2)]);
            });
        }
    }
}

#[test]
fn answered_in_the_pause_it_does_not_fire_unless_the_answer_is_skipped() {
    for (gap, fired) in [(Gap::Replay, vec![]), (Gap::Skip, vec![(60, 1)])] {
        each_way(&unpaid(), |scene| {
            pause_after_an_a(scene, &["B"], 20, gap);
            scene.reach(200);
            assert_eq!(scene.timed("n"), fired);
        });
        // As before, but the deadline lies in the pause.
        each_way(&unpaid(), |scene| {
            pause_after_an_a(scene, &["B"], 70, gap);
            scene.reach(100);
            scene.send(1, &["A"]);
            scene.reach(161);
            assert_eq!(
                scene.timed("n"),
                [(160, 1)],
                "the timer of before is gone, and so is what it waited for"
            );
        });
    }
}

#[test]
fn armed_in_the_pause_it_fires_after_it_unless_it_is_skipped() {
    for (gap, fired) in [(Gap::Replay, vec![(70, 1)]), (Gap::Skip, vec![])] {
        each_way(&unpaid(), |scene| {
            scene.pause();
            scene.reach(10);
            scene.send(1, &["A"]);
            scene.reach(20);
            scene.resume(gap);
            scene.reach(200);
            assert_eq!(scene.timed("n"), fired);
        });
        each_way(&unpaid(), |scene| {
            scene.pause();
            scene.reach(10);
            scene.send(1, &["A"]);
            scene.reach(80);
            scene.resume(gap);
            scene.reach(200);
            assert_eq!(scene.timed("n"), [], "due in the pause");
        });
    }
}

#[test]
fn of_two_the_one_fires_that_counts() {
    for (gap, fired) in [(Gap::Replay, vec![(90, 1)]), (Gap::Skip, vec![(60, 1)])] {
        each_way(&unpaid(), |scene| {
            scene.send(1, &["A"]);
            scene.reach(10);
            scene.pause();
            scene.reach(20);
            scene.send(1, &["B"]);
            scene.reach(30);
            scene.send(1, &["A"]);
            scene.reach(40);
            scene.resume(gap);
            scene.reach(200);
            assert_eq!(scene.timed("n"), fired);
        });
    }
    // The reverse, with a timer of another limit: `c` runs at 100 s. Skipped, the B of the pause does not
    // count, so `when` holds by then; replayed, it counts, and nothing fires.
    let mut rule = unpaid();
    rule["conditions"][1] = json!({"id": "c", "calculator": "absence", "steps": [{"id": "C"}, {"id": "D"}], "params": {"within": "100s"}});
    rule["trigger"] = json!({"each": "c"});
    for gap in GAPS {
        each_way(&rule, |scene| {
            scene.send(1, &["A", "C"]);
            scene.reach(10);
            scene.pause();
            scene.send(1, &["B"]);
            scene.reach(20);
            scene.resume(gap);
            scene.reach(101);
            let expected = if gap == Gap::Replay { vec![] } else { vec![(100, 1)] };
            assert_eq!(scene.timed("c"), expected, "`when` wants a missed B too");
        });
    }
}

#[test]
fn a_condition_that_starts_anew_takes_no_other_condition_s_timer_with_it() {
    let rule = json!({"rule_id": "r", "trigger": {"each": "late"}, "when": "late.value + soon.value > 0", "conditions": [
        {"id": "late", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "120s"}},
        {"id": "soon", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "60s"}}]});
    for turned in [false, true] {
        let mut rule = rule.clone();
        if turned {
            rule["conditions"].as_array_mut().unwrap().reverse();
        }
        let soon = if turned { 0 } else { 1 };
        each_way(&rule, |scene| {
            scene.send(1, &["A"]);
            scene.reach(10);
            scene.edit(&format!("/conditions/{soon}/params/within"), json!("50s"));
            scene.reach(121);
            assert_eq!(scene.timed("late"), [(120, 1)]);
            assert_eq!(
                scene.engine.state(strateye_tests::random::BASE + 121_000).len(),
                1,
                "`soon` is as new"
            );
        });
    }
}

#[test]
fn timers_of_a_retired_rule_are_gone_for_good() {
    each_way(&unpaid(), |scene| {
        scene.send(1, &["A"]);
        scene.reach(10);
        scene.retire();
        scene.reach(20);
        scene.publish_as(1);
        scene.reach(200);
        assert_eq!(scene.timed("n"), []);
        scene.send(1, &["A"]);
        scene.reach(261);
        assert_eq!(scene.timed("n"), [(260, 1)]);
    });
}

#[test]
fn a_plain_rule_goes_on_counting_after_timers_were_edited_in_and_out() {
    each_way(&counting(), |scene| {
        scene.send(1, &["A"]);
        let plain = scene.rule.clone();
        let absence = unpaid()["conditions"][0].clone();
        scene.rule["conditions"].as_array_mut().unwrap().push(absence);
        scene.publish();
        scene.send(1, &["A"]);
        scene.reach(10);
        scene.rule = plain;
        scene.publish();
        scene.reach(100);
        scene.send(1, &["A"]);
        assert_eq!(scene.count(1), 3);
    });
}
