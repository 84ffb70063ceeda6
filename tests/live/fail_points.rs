//! An engine that dies, or hangs, at every step of its checkpoints in turn.

use redis::cmd;
use serde_json::{Value as Json, json};

use crate::{
    engine::{Engine, PARTITIONS, Services},
    waiting::{begin_in, ends_as_expected, send_for_checkpoints, send_until, until},
};

/// A rule whose edits drop state, and whose state people correct. It never fires.
fn aside(rule_id: &str, edit: usize) -> Json {
    json!({"rule_id": rule_id, "trigger": {"event": {"id": "never"}}, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": ["view", format!("edit{edit}")]}}]})
}

fn correct(engine: &Engine, rule_id: &str, guid: u64, value: usize) {
    let mut order = cmd("XADD");
    order.arg(format!("{}:edits", engine.name)).arg("*").arg("rule").arg(rule_id).arg("condition").arg("n");
    order.arg("key").arg(guid).arg("value").arg(value).arg("by").arg("the test");
    engine.ask::<String>(&order).expect("Redis takes an edit");
}

/// Keys of the states that are stored of the rule that is edited, each of a version.
fn states(engine: &Engine) -> Vec<String> {
    engine.ask(cmd("KEYS").arg(format!("{}:s:aside:n:*", engine.name))).unwrap_or_default()
}

/// Dies at these points in turn, under load, while a rule is edited and corrected. The numbers let some
/// commits pass before each.
fn dies_at(points: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("used").display().to_string();
    let environment = [("STRATEYE_FAIL_POINT", points.join(",")), ("STRATEYE_FAIL_POINT_USED", used.clone())];
    let (mut engine, mut load) = begin_in(Services::shared(), PARTITIONS, 3, &environment);
    for (i, point) in points.iter().enumerate() {
        let former = states(&engine);
        engine.publish(&aside("aside", i));
        correct(&engine, "aside", 900_000, i);
        let died = |i: usize| std::fs::exists(format!("{used}.{i}")).unwrap();
        send_until(&mut load, point, || died(i));
        if points.get(i + 1).is_some_and(|next| next.starts_with("drop")) {
            // The next edit drops what is stored of this one, so that has to be something. Which version it
            // has is not known: an engine that was dead meanwhile may not have seen the edit before.
            let stored = || states(&engine).iter().any(|state| !former.contains(state));
            send_until(&mut load, "the edit's state is stored", || stored() || died(i + 1));
        }
    }
    send_for_checkpoints(&engine, &mut load, 2);
    engine.publish(&aside("last", 0));
    engine.await_rule("last", 1, "live");
    correct(&engine, "last", 900_001, 77);
    let state = format!("{}:s:last:n:1", engine.name);
    let corrected = || engine.ask::<Option<String>>(cmd("HGET").arg(&state).arg(900_001)).flatten();
    until("the last correction is in the state", || corrected().as_deref() == Some("77"));
    let waits = || engine.ask::<u64>(cmd("XLEN").arg(format!("{}:edits", engine.name))) != Some(0);
    until("corrections that are committed are removed", || !waits());
    ends_as_expected(&mut engine, &mut load);
}

#[test]
fn around_a_commit() {
    dies_at(&["blob:before:5", "blob:after:5", "commit:before:2", "commit:after:2", "hand-on:between:2"]);
}

#[test]
fn while_it_compacts_and_publishes() {
    dies_at(&[
        "hand-on:after:2",
        "fold:before:9",
        "fold:after:9",
        "fold:done:2",
        "fold:marked:2",
        "publish:before:2",
    ]);
}

#[test]
fn while_rules_change() {
    dies_at(&["publish:after:2", "rules:before:1", "rules:after:1", "drop:before:1", "drop:after:1"]);
}

#[test]
fn while_it_cleans_up_and_restores() {
    dies_at(&["trim:before:1", "trim:after:1", "remove:before:1", "remove:after:1", "restore:state:3"]);
}

#[test]
fn while_it_restores_and_when_it_hangs() {
    // On a slow machine a commit may hold nothing; one that is being folded does, and is then read as a blob.
    dies_at(&["fold:before:3", "restore:blob:1", "commit:before:2:hang"]);
}
