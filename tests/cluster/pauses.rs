//! Pauses over a folder and over a store: resumed with the events of the pause, or without them; all rules at
//! once; and rollbacks.

use std::fs;

use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};
use strateye_tests::command::WITHIN;

use crate::live::{FENCE, Live, fence, resume, start};
use crate::scene::Scene;

fn rule(event: &str) -> Json {
    json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": "a.value >= 0", "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": event}}]})
}

/// A cluster over a store, or over a folder.
fn over(rules: &str) -> Live {
    let scene = Scene::new();
    scene.write("fence.json", &fence().to_string());
    scene.succeed(&["rule", "publish", "--rules", rules, "fence.json"]);
    start(scene, rules, "3")
}

fn publish(live: &Live, rules: &str, rule: &Json) -> Vec<String> {
    live.scene.write("r.json", &rule.to_string());
    live.succeed(&["rule", "publish", "--rules", rules, "r.json"]).output
}

fn counts(values: &[Json]) -> Vec<u64> {
    values.iter().map(|values| values["a"]["value"].as_u64().unwrap()).collect()
}

#[test]
fn resumed_by_command_a_pause_counts_or_does_not() {
    for rules in ["rules", "rules.db"] {
        let mut live = over(rules);
        let command = |live: &Live, verb: &str, more: &[&str]| {
            drop(live.succeed(&[&["rule", verb, "--rules", rules, "r"], more].concat()));
        };
        publish(&live, rules, &rule("A"));
        live.await_rule("r", 1, "live");
        assert_eq!(counts(&live.values(1, &["A", "A", "T"])), [2]);
        let mut counted = 2;
        // Replay is the default, also after a skip.
        for (gap, adds) in
            [(&["--gap", "skip"][..], 0), (&["--gap", "replay"], 3), (&["--gap", "skip"], 0), (&[], 3)]
        {
            command(&live, "pause", &[]);
            live.await_rule("r", 1, "paused");
            assert_eq!(live.values(1, &["A", "A", "A", "T"]), [] as [Json; 0], "{rules} {gap:?}");
            command(&live, "resume", gap);
            live.await_rule("r", 1, "live");
            counted += adds;
            assert_eq!(counts(&live.values(1, &["T"])), [counted], "{rules} {gap:?}");
        }
        assert_eq!(counts(&live.values(2, &["A", "T"])), [1], "never seen in a pause");
        let refused = live.scene.run(&["rule", "resume", "--rules", rules, "r", "--gap", "jump"]);
        assert_eq!(refused.code, Some(2), "{}", refused.all());
        assert!(refused.log.concat().contains("write replay or skip"), "{}", refused.all());
        live.end();
    }
}

#[test]
fn resumed_by_plain_sql_the_result_is_the_same() {
    let mut live = over("rules.db");
    publish(&live, "rules.db", &rule("A"));
    live.await_rule("r", 1, "live");
    let connection = Connection::open(live.scene.path("rules.db")).unwrap();
    connection.busy_timeout(WITHIN).unwrap();
    let set = |status: &str, gap: &str| {
        let update = "UPDATE rule_engine_resource SET status = ?1, resume_gap = ?2 WHERE rule_id = 'r'";
        assert_eq!(connection.execute(update, params![status, gap]).unwrap(), 1);
    };
    assert_eq!(counts(&live.values(1, &["A", "T"])), [1]);
    for (gap, count) in [("skip", 1), ("replay", 2), ("skip", 2)] {
        set("paused", "replay");
        live.await_rule("r", 1, "paused");
        assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
        set("online", gap);
        live.await_rule("r", 1, "live");
        assert_eq!(counts(&live.values(1, &["T"])), [count], "{gap}");
    }
    // An unknown value is reported, and nothing changes.
    set("paused", "replay");
    live.await_rule("r", 1, "paused");
    set("online", "jump");
    let reason =
        live.running.log_until("a refusal", |line| line.contains("rule refused").then(|| line.to_owned()));
    assert!(reason.contains("write replay or skip"), "{reason}");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0], "paused still");
    set("online", "replay");
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [3]);
    live.end();
}

#[test]
fn the_emergency_stop_pauses_every_rule_that_is_online() {
    for rules in ["rules", "rules.db"] {
        let mut live = over(rules);
        publish(&live, rules, &rule("A"));
        live.await_rule("r", 1, "live");
        let mut other = rule("A");
        other["rule_id"] = json!("paused-before");
        publish(&live, rules, &other);
        live.await_rule("paused-before", 1, "live");
        live.succeed(&["rule", "pause", "--rules", rules, "paused-before"]);
        live.await_rule("paused-before", 1, "paused");
        assert_eq!(live.values(1, &["A", "T"]).len(), 1);
        let said = live.succeed(&["rule", "pause", "--all", "--rules", rules]).output;
        assert_eq!(said, ["2 rules paused"]);
        // Both in one change set or in two, in either order.
        let mut paused = std::collections::BTreeSet::new();
        while paused.len() < 2 {
            paused.insert(live.running.log_until("pauses", |line| {
                let (_, change) = line.split_once("rule in force change=")?;
                let change: Json = serde_json::from_str(change).unwrap();
                (change["state"] == "paused").then(|| change["rule_id"].as_str().unwrap().to_owned())
            }));
        }
        assert!(paused.contains("r") && paused.contains(FENCE), "{paused:?}");
        ["A", "T", "fence"].iter().for_each(|event_id| live.send(1, event_id));
        live.succeed(&["rule", "resume", "--rules", rules, FENCE]);
        live.await_rule(FENCE, 1, "live");
        assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
        live.succeed(&["rule", "resume", "--rules", rules, "r"]);
        live.await_rule("r", 1, "live");
        assert_eq!(counts(&live.values(1, &["T"])), [3]);
        live.end();
    }
}

#[test]
fn a_rollback_publishes_an_earlier_document_and_revives_none_of_its_state() {
    let mut live = over("rules.db");
    publish(&live, "rules.db", &rule("A"));
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["A", "A", "T"])), [2]);
    publish(&live, "rules.db", &rule("B"));
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["T", "B", "T"])), [0, 1]);
    let back = |live: &Live, to: &str| {
        live.succeed(&["rule", "rollback", "--rules", "rules.db", "r", "--to", to]).output
    };
    assert_eq!(back(&live, "1"), ["r: version 1 published as version 3"]);
    live.await_rule("r", 3, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [0, 1]);
    // In a pause the rule stays paused, and the pause can still be skipped.
    live.succeed(&["rule", "pause", "--rules", "rules.db", "r"]);
    live.await_rule("r", 3, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    assert_eq!(back(&live, "3"), ["r: version 3 published as version 4"]);
    live.await_rule("r", 4, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    live.succeed(&["rule", "resume", "--rules", "rules.db", "r", "--gap", "skip"]);
    live.await_rule("r", 4, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [1]);
    let refused = live.scene.run(&["rule", "rollback", "--rules", "rules.db", "r", "--to", "9"]);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert!(refused.log.concat().contains("1 to 4"), "{}", refused.all());
    live.end();
}

#[test]
fn a_folder_keeps_no_versions_to_roll_back_to() {
    let mut live = over("rules");
    live.scene.put(&rule("A"));
    live.await_rule("r", 1, "live");
    let refused = live.scene.run(&["rule", "rollback", "--rules", "rules", "r", "--to", "1"]);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert!(refused.log.concat().contains("keeps no versions"), "{}", refused.all());
    // By hand it is a rename, and the events of the pause count.
    let (online, paused) = (live.scene.path("rules/r.json"), live.scene.path("rules/r.json.paused"));
    fs::rename(&online, &paused).unwrap();
    live.await_rule("r", 1, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    fs::rename(&paused, &online).unwrap();
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [1]);
    live.end();
}

#[test]
fn timers_due_in_a_pause_fire_neither_in_it_nor_after_it() {
    let mut live = over("rules.db");
    let timed = json!({"rule_id": "r", "trigger": {"each": "n"}, "conditions": [
        {"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "5s"}}]});
    publish(&live, "rules.db", &timed);
    live.await_rule("r", 1, "live");
    for gap in ["skip", "replay"] {
        live.send(1, "A");
        assert_eq!(live.fired(1), [] as [Json; 0], "not due yet");
        live.succeed(&["rule", "pause", "--rules", "rules.db", "r"]);
        live.await_rule("r", 1, "paused");
        // A copy of the rule that is not paused shows when a later timer has run.
        let mut witness = timed.clone();
        witness["rule_id"] = json!(format!("witness-{gap}"));
        publish(&live, "rules.db", &witness);
        live.await_rule(&format!("witness-{gap}"), 1, "live");
        live.send(2, "A");
        loop {
            // The clock advances with the events.
            let fired = live.fired(3);
            assert!(fired.iter().all(|trigger| trigger["guid"] == 2), "{fired:?}");
            if !fired.is_empty() {
                break;
            }
        }
        live.succeed(&["rule", "resume", "--rules", "rules.db", "r", "--gap", gap]);
        live.await_rule("r", 1, "live");
        live.succeed(&["rule", "retire", "--rules", "rules.db", &format!("witness-{gap}")]);
        live.await_rule(&format!("witness-{gap}"), 1, "removed");
        assert_eq!(live.fired(1), [] as [Json; 0], "{gap}");
    }
    // Of the events in the pauses only those of the replayed one counted.
    live.send(1, "A");
    let value = loop {
        if let Some(trigger) = live.fired(1).first() {
            break trigger["values"]["n"]["value"].clone();
        }
    };
    assert_eq!(value, 2, "one in the replayed pause, one now");
    live.end();
}

#[test]
fn a_rule_paused_by_the_breaker_runs_again_when_resumed_by_hand_or_published_again() {
    let scene = Scene::new();
    scene.write("settings.toml", "[breaker]\nat_most = 20\n");
    scene.write("fence.json", &fence().to_string());
    scene.succeed(&["rule", "publish", "--rules", "rules.db", "fence.json"]);
    let mut live =
        resume(scene, 0, &["--config", "settings.toml", "--rules", "rules.db", "--processes", "2"]);
    live.await_rule(FENCE, 1, "live");
    let flood = |live: &mut Live, rule_id: &str| {
        let mut rule = rule("A");
        rule["rule_id"] = json!(rule_id);
        publish(live, "rules.db", &rule);
        live.await_rule(rule_id, 1, "live");
        (0..21).for_each(|_| live.send(1, "T"));
        live.send(1, "A");
        live.await_rule(rule_id, 1, "paused");
        assert_eq!(live.fired(1).len(), 21);
        assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
        rule
    };
    flood(&mut live, "r");
    let listed = live.succeed(&["rule", "list", "--rules", "rules.db"]).output;
    let line = listed.iter().find(|line| line.starts_with("r\t")).expect("the rule");
    assert!(line.contains("\tonline\tpaused\tfired ") && line.contains("within a minute"), "{line}");
    live.succeed(&["rule", "pause", "--rules", "rules.db", "r"]);
    live.succeed(&["rule", "resume", "--rules", "rules.db", "r", "--gap", "skip"]);
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [1], "the breaker's pause is skipped");
    live.succeed(&["rule", "retire", "--rules", "rules.db", "r"]);
    live.await_rule("r", 1, "removed");
    let mut other = flood(&mut live, "other");
    other["name"] = json!("meant");
    publish(&live, "rules.db", &other);
    live.await_rule("other", 2, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [2], "what came in the pause counts");
    live.end();
}
