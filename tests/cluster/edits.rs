//! Rules edited while they run: their state is kept or begins anew as the rule format defines.

use serde_json::{Value as Json, json};

use crate::live::Live;
use crate::scene::Scene;

/// Counts `A` and `B`, keeps the largest `x`, and fires at `T`.
fn rule() -> Json {
    json!({"rule_id": "r", "when": "a.value >= 1", "trigger": {"event": {"id": "T"}}, "action": "old", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}},
        {"id": "b", "calculator": "count", "event": {"id": ["B"]}},
        {"id": "top", "calculator": "top", "event": {"id": "X"}, "params": {"of": "x", "n": 2}, "met": "count > 0"}]})
}

/// Changes the rule at one path, publishes it, and waits until that version is in force.
fn edit(live: &mut Live, rule: &mut Json, version: u64, place: &str, value: Json) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    match rule.pointer_mut(place) {
        Some(there) => *there = value,
        None => rule.pointer_mut(parent).unwrap()[name] = value,
    }
    live.scene.put(rule);
    live.await_rule("r", version, "live");
}

fn counts(a: u64, b: u64, top: u64) -> Json {
    json!([a, b, top])
}

/// Figures of all triggers: number of `A`, number of `B`, number of `x` held.
fn figures(values: Vec<Json>) -> Vec<Json> {
    let figures = |v: &Json| json!([v["a"]["value"], v["b"]["value"], v["top"]["count"]]);
    values.iter().map(figures).collect()
}

#[test]
fn edits_of_action_trigger_and_when_keep_the_state() {
    let mut live = Live::over_folder(Scene::new());
    assert_eq!(live.values(1, &["A", "B", "T"]), [] as [Json; 0], "nothing is published yet");
    let mut rule = rule();
    live.scene.put(&rule);
    live.await_rule("r", 1, "live");
    assert_eq!(figures(live.values(1, &["T", "A", "T", "B", "T"])), [counts(1, 0, 0), counts(1, 1, 0)]);
    edit(&mut live, &mut rule, 2, "/when", json!("a.value >= 3"));
    assert_eq!(figures(live.values(1, &["T", "A", "T", "A", "T"])), [counts(3, 1, 0)], "a threshold");
    edit(&mut live, &mut rule, 3, "/action", json!("new"));
    live.send(1, "T");
    let fired = live.fired(1);
    assert_eq!(fired.len(), 1);
    assert_eq!(
        (&fired[0]["action"], &fired[0]["version"], &fired[0]["values"]["a"]["value"]),
        (&json!("new"), &json!(3), &json!(3))
    );
    edit(&mut live, &mut rule, 4, "/limit", json!({"times": 2}));
    assert_eq!(figures(live.values(1, &["T", "A", "T", "T"])), [counts(3, 1, 0), counts(4, 1, 0)], "a limit");
    edit(&mut live, &mut rule, 5, "/limit", json!({"times": 3}));
    assert_eq!(figures(live.values(1, &["T", "T"])), [counts(4, 1, 0)], "a wider limit: two are spent");
    edit(&mut live, &mut rule, 6, "/limit", json!({"times": 1000}));
    edit(&mut live, &mut rule, 7, "/conditions/0/met", json!("value >= 100"));
    assert_eq!(figures(live.values(1, &["T"])), [counts(4, 1, 0)], "met");
    edit(&mut live, &mut rule, 8, "/trigger", json!({"event": {"id": "T2"}}));
    assert_eq!(figures(live.values(1, &["T", "T2"])), [counts(4, 1, 0)], "the trigger");
    edit(&mut live, &mut rule, 9, "/name", json!("新"));
    edit(&mut live, &mut rule, 10, "/crowd", json!({"guids": [2]}));
    assert_eq!(figures(live.values(1, &["A", "T2"])), [] as [Json; 0], "outside the crowd");
    assert_eq!(figures(live.values(2, &["A", "A", "A", "T2"])), [counts(3, 0, 0)], "inside the crowd");
    edit(&mut live, &mut rule, 11, "/crowd", json!({"guids": [1, 2]}));
    assert_eq!(figures(live.values(1, &["T2"])), [counts(4, 1, 0)], "back in the crowd");
    live.end();
}

#[test]
fn edits_of_how_a_condition_folds_start_that_condition_anew_and_no_other() {
    let scene = Scene::new();
    let mut rule = rule();
    scene.put(&rule);
    let mut live = Live::over_folder(scene);
    let x =
        |live: &mut Live, values: &[u64]| values.iter().for_each(|x| live.send_with(1, "X", json!({"x": x})));
    x(&mut live, &[1, 2, 3]);
    assert_eq!(figures(live.values(1, &["A", "A", "B", "T"])), [counts(2, 1, 2)]);
    let filter = json!({"id": "A", "where": [{"property": "n", "op": "exists", "value": true}]});
    edit(&mut live, &mut rule, 2, "/conditions/0/event", filter);
    assert_eq!(figures(live.values(1, &["T", "A", "T"])), [counts(1, 1, 2)], "a filter");
    edit(&mut live, &mut rule, 3, "/conditions/2/params/n", json!(3));
    assert_eq!(figures(live.values(1, &["T"])), [counts(1, 1, 0)], "params");
    x(&mut live, &[1, 2, 3, 4]);
    assert_eq!(figures(live.values(1, &["T"])), [counts(1, 1, 3)], "new params");
    // A refused edit changes nothing.
    live.scene.write("rules/r.json", r#"{"rule_id": "r", "trigger": "sometimes"}"#);
    live.running.log_until("a refusal", |line| line.contains("rule refused").then_some(()));
    assert_eq!(figures(live.values(1, &["T"])), [counts(1, 1, 3)], "the version before");
    edit(
        &mut live,
        &mut rule,
        4,
        "/conditions/1",
        json!({"id": "b", "calculator": "count", "event": {"id": "C"}}),
    );
    assert_eq!(figures(live.values(1, &["B", "C", "C", "T"])), [counts(1, 2, 3)], "another event");
    edit(&mut live, &mut rule, 5, "/key_by", json!(["guid"]));
    assert_eq!(figures(live.values(1, &["T", "A", "T"])), [counts(1, 0, 0)], "another key");
    live.end();
}

#[test]
fn a_window_is_part_of_how_a_condition_folds() {
    let scene = Scene::new();
    let mut rule = json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": "a.value + b.value > 0", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1h"}},
        {"id": "b", "calculator": "count", "event": {"id": "A"}, "window": {"last": "1h"}}]});
    scene.put(&rule);
    let mut live = Live::over_folder(scene);
    let counts = |values: Vec<Json>| {
        values.iter().map(|v| json!([v["a"]["value"], v["b"]["value"]])).collect::<Vec<_>>()
    };
    assert_eq!(counts(live.values(7, &["A", "A", "T"])), [json!([2, 2])]);
    edit(&mut live, &mut rule, 2, "/conditions/1/window/last", json!("2h"));
    let after = counts(live.values(7, &["A", "T"]));
    assert_eq!(after[0][0], 3, "the other condition keeps its state: {after:?}");
    live.end();
}
