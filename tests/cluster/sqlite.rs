//! Rules in an SQLite store, changed while a cluster runs: by commands, and by plain SQL.

use rusqlite::{Connection, params};
use serde_json::{Value as Json, json};

use crate::live::{Live, fence, start};
use crate::scene::Scene;

/// Counts `A`, and fires at `T` from `least` on.
fn rule(least: u64) -> String {
    let when = format!("a.value >= {least}");
    json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": when, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}}]})
    .to_string()
}

fn over_store() -> Live {
    let scene = Scene::new();
    scene.write("fence.json", &fence().to_string());
    scene.succeed(&["rule", "publish", "--rules", "rules.db", "fence.json"]);
    start(scene, "rules.db", "3")
}

fn counts(values: &[Json]) -> Vec<u64> {
    values.iter().map(|values| values["a"]["value"].as_u64().unwrap()).collect()
}

/// The rule's version, status and result in the store.
fn listed(live: &Live) -> Vec<String> {
    let lines = live.succeed(&["rule", "list", "--rules", "rules.db"]).output;
    let line = lines.iter().find(|line| line.starts_with("r\t")).expect("the rule");
    line.split('\t').skip(1).take(3).map(str::to_owned).collect()
}

#[test]
fn commands_publish_pause_resume_and_retire() {
    let mut live = over_store();
    let publish = |live: &Live, least: u64| {
        live.scene.write("r.json", &rule(least));
        live.succeed(&["rule", "publish", "--rules", "rules.db", "--author", "张三", "r.json"]).output
    };
    let command = |live: &Live, verb: &str| drop(live.succeed(&["rule", verb, "--rules", "rules.db", "r"]));
    assert_eq!(publish(&live, 1), ["r version 1 published"]);
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [1]);
    assert_eq!(publish(&live, 3), ["r version 2 published"]);
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "A", "T"])), [3], "an edited threshold keeps the count");
    command(&live, "pause");
    live.await_rule("r", 2, "paused");
    assert_eq!(listed(&live)[..2], ["2", "paused"]);
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    command(&live, "resume");
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [4]);
    command(&live, "retire");
    live.await_rule("r", 2, "removed");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    let refused = live.scene.run(&["rule", "resume", "--rules", "rules.db", "r"]);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert!(refused.log.concat().contains("publish it"), "{}", refused.all());
    assert_eq!(publish(&live, 0), ["r version 3 published"]);
    live.await_rule("r", 3, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [0, 1], "published again, it starts anew");
    live.end();
}

#[test]
fn plain_sql_is_enough() {
    let mut live = over_store();
    let connection = Connection::open(live.scene.path("rules.db")).unwrap();
    connection.busy_timeout(strateye_tests::command::WITHIN).unwrap();
    let insert = "INSERT INTO rule_engine_resource (rule_id, rule_json, status) VALUES ('r', ?1, 'draft')";
    connection.execute(insert, params![rule(0)]).unwrap();
    let set = |column: &str, value: &str| {
        let update = format!("UPDATE rule_engine_resource SET {column} = ?1 WHERE rule_id = 'r'");
        assert_eq!(connection.execute(&update, params![value]).unwrap(), 1);
    };
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0], "a draft");
    set("status", "online");
    live.await_rule("r", 1, "live");
    assert_eq!(counts(&live.values(1, &["A", "T"])), [1]);
    set("rule_json", &rule(3));
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["A", "T", "A", "T"])), [3]);
    set("status", "paused");
    live.await_rule("r", 2, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    set("status", "online");
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [4]);
    set("rule_json", r#"{"rule_id": "r", "trigger": "sometimes"}"#);
    live.running.log_until("a refusal", |line| line.contains("rule refused").then_some(()));
    assert_eq!(counts(&live.values(1, &["T"])), [4], "the version before stays in force");
    set("rule_json", &rule(0));
    live.await_rule("r", 4, "live");
    assert_eq!(counts(&live.values(1, &["T"])), [4], "mended");
    set("status", "retired");
    live.await_rule("r", 4, "removed");
    assert_eq!(live.values(1, &["T"]), [] as [Json; 0]);
    set("status", "online");
    live.await_rule("r", 4, "live");
    assert_eq!(counts(&live.values(1, &["T", "A", "T"])), [0, 1], "online after retirement, it starts anew");
    connection.execute("DELETE FROM rule_engine_resource WHERE rule_id = 'r'", []).unwrap();
    live.await_rule("r", 4, "removed");
    assert_eq!(live.values(1, &["T"]), [] as [Json; 0]);
    live.end();
}

#[test]
fn the_store_shows_the_result_of_each_version() {
    let mut live = over_store();
    let connection = Connection::open(live.scene.path("rules.db")).unwrap();
    connection.busy_timeout(strateye_tests::command::WITHIN).unwrap();
    let state = |version: u64| -> (String, String) {
        let query = "SELECT state, detail FROM rule_status WHERE rule_id = 'r' AND version = ?1";
        connection.query_row(query, params![version], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    live.scene.write("r.json", &rule(0));
    live.succeed(&["rule", "publish", "--rules", "rules.db", "r.json"]);
    live.await_rule("r", 1, "live");
    // Log lines of the next change come after all of this one.
    let broken = rule(0).replace("a.value >= 0", "b.value >= 0");
    let update = "UPDATE rule_engine_resource SET rule_json = ?1 WHERE rule_id = 'r'";
    connection.execute(update, params![broken]).unwrap();
    live.running.log_until("a refusal", |line| line.contains("rule refused").then_some(()));
    let (word, detail) = state(1);
    assert!(word == "live" && detail.starts_with("in force since epoch "), "{word}: {detail}");
    connection.execute(update, params![rule(1)]).unwrap();
    live.await_rule("r", 3, "live");
    let (word, detail) = state(2);
    assert!(word == "rejected" && detail.starts_with("when: there is no condition `b`"), "{word}: {detail}");
    live.succeed(&["rule", "pause", "--rules", "rules.db", "r"]);
    live.await_rule("r", 3, "paused");
    assert_eq!(listed(&live)[..2], ["3", "paused"]);
    live.end();
}
