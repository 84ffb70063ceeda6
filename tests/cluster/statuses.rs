//! Rules that are added, paused, resumed, removed and published again while a cluster runs: by files, and by
//! commands.

use std::fs;

use serde_json::{Value as Json, json};

use crate::live::Live;
use crate::scene::Scene;

/// Counts `A`, and fires at `T`.
fn rule(rule_id: &str) -> Json {
    json!({"rule_id": rule_id, "trigger": {"event": {"id": "T"}}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}}], "when": "a.value >= 0"})
}

fn counts(values: &[Json]) -> Vec<u64> {
    values.iter().map(|values| values["a"]["value"].as_u64().unwrap()).collect()
}

#[test]
fn files_are_rules_and_their_names_are_their_statuses() {
    let mut live = Live::over_folder(Scene::new());
    let (online, paused) = (live.scene.path("rules/r.json"), live.scene.path("rules/r.json.paused"));
    live.scene.put(&rule("r"));
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["A", "T"])), [1]);
    fs::rename(&online, &paused).unwrap();
    live.await_rule("r", 1, "paused");
    assert_eq!(live.values(1, &["A", "T", "A", "T"]), [] as [Json; 0], "paused");
    fs::rename(&paused, &online).unwrap();
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [3, 4], "what happened while it was paused counts");
    fs::remove_file(&online).unwrap();
    live.await_rule("r", 1, "removed");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0], "removed");
    live.scene.put(&rule("r"));
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [0, 1], "published again, it starts anew");
    live.end();
}

#[test]
fn commands_do_the_same_to_a_folder() {
    let mut live = Live::over_folder(Scene::new());
    live.scene.write("new.json", &rule("r").to_string());
    let published = live.succeed(&["rule", "publish", "--rules", "rules", "new.json"]);
    assert_eq!(published.output, ["r published"]);
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["A", "T"])), [1]);
    live.succeed(&["rule", "pause", "--rules", "rules", "r"]);
    live.await_rule("r", 1, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    live.succeed(&["rule", "resume", "--rules", "rules", "r"]);
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [2]);
    live.scene.write("wrong.json", r#"{"rule_id": "r", "trigger": "sometimes"}"#);
    let refused = live.scene.run(&["rule", "publish", "--rules", "rules", "wrong.json"]);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert_eq!(counts(&live.values(1, &["T"])), [2], "a refused document changes nothing");
    let listed = live.succeed(&["rule", "list", "--rules", "rules"]).output;
    assert!(listed.len() == 2 && listed[0].starts_with("r\t-\tonline"), "{listed:?}");
    let shown = live.succeed(&["rule", "show", "--rules", "rules", "r"]).output.concat();
    assert_eq!(serde_json::from_str::<Json>(&shown).unwrap(), rule("r"));
    live.succeed(&["rule", "retire", "--rules", "rules", "r"]);
    live.await_rule("r", 1, "removed");
    assert_eq!(live.values(1, &["T"]), [] as [Json; 0]);
    live.end();
}

#[test]
fn a_timer_that_is_due_while_its_rule_is_paused_folds_and_does_not_fire() {
    let scene = Scene::new();
    let unpaid = json!({"rule_id": "r", "trigger": {"each": "c"}, "conditions": [{"id": "c", "calculator": "absence",
        "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "1ms"}}]});
    scene.put(&unpaid);
    scene.put(&json!({"rule_id": "watch", "trigger": {"each": "c"}, "conditions": unpaid["conditions"]}));
    fs::rename(scene.path("rules/r.json"), scene.path("rules/r.json.paused")).unwrap();
    let mut live = Live::over_folder(scene);
    live.send(1, "order");
    // The other rule's timer has the same deadline: when it has fired, both have run.
    let first: Json = serde_json::from_str(&live.running.output_line()).unwrap();
    assert_eq!((&first["rule_id"], &first["cause"]["condition"]), (&json!("watch"), &json!("c")));
    assert_eq!(live.fired(1), [] as [Json; 0]);
    live.succeed(&["rule", "resume", "--rules", "rules", "r"]);
    live.await_rule("r", 1, "live");
    live.send(1, "order");
    let values: Vec<Json> = [live.running.output_line(), live.running.output_line()]
        .iter()
        .map(|line| serde_json::from_str::<Json>(line).unwrap()["values"]["c"]["value"].take())
        .collect();
    assert_eq!(values, [2, 2], "both rules have seen two");
    live.end();
}

#[test]
fn a_rule_that_fails_is_quarantined_until_its_document_changes() {
    let mut live = Live::over_folder(Scene::new());
    let mut failing = rule("r");
    failing["when"] = json!("9223372036854775807 - (a.value - 1) >= 0");
    live.scene.put(&failing);
    live.scene.put(&rule("s"));
    live.await_rule("s", 1, "live");
    for _ in 0..101 {
        live.send(1, "T");
    }
    assert_eq!(live.fired(1).iter().filter(|trigger| trigger["rule_id"] == "s").count(), 101);
    live.running.log_until("the quarantine", |line| line.contains("rule quarantined").then_some(()));
    live.await_rule("r", 1, "quarantined");
    let fired = |live: &mut Live| {
        ["A", "T"].iter().for_each(|id| live.send(1, id));
        live.fired(1).iter().map(|trigger| trigger["rule_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(fired(&mut live), ["s"]);
    live.scene.put(&rule("r"));
    live.await_rule("r", 2, "live");
    assert_eq!(fired(&mut live), ["r", "s"]);
    live.end();
}
