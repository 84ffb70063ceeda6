//! An engine that dies, or hangs, at every step of its checkpoints in turn.

use redis::cmd;
use serde_json::{Value as Json, json};

use crate::{
    engine::{Engine, Services},
    waiting::{begin_in, checkpoint, ends_as_expected, send_until, until},
};

/// Every place, in groups: each group is one life of a supervisor, which waits longer from one restart to the next. The numbers let
/// some commits be made before each.
const POINTS: [&[&str]; 5] = [
    &["blob:before:5", "blob:after:5", "commit:before:2", "commit:after:2", "hand-on:between:2"],
    &["hand-on:after:2", "fold:before:9", "fold:after:9", "fold:done:2", "publish:before:2"],
    &["publish:after:2", "rules:before:1", "rules:after:1", "drop:before:1", "drop:after:1"],
    &["trim:before:1", "trim:after:1", "remove:before:1", "remove:after:1", "restore:state:3"],
    &["restore:blob:1", "commit:after:2:hang"],
];

/// A rule whose edits give state up, and whose state people correct. It never fires.
fn aside(edit: usize) -> Json {
    json!({"rule_id": "aside", "trigger": {"event": {"id": "never"}}, "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": ["view", format!("edit{edit}")]}}]})
}

fn correct(engine: &Engine, guid: u64, value: u64) {
    let mut order = cmd("XADD");
    order.arg(format!("{}:edits", engine.name)).arg("*").arg("rule").arg("aside").arg("condition").arg("n");
    order.arg("key").arg(guid).arg("value").arg(value).arg("by").arg("the test");
    engine.ask::<String>(&order).expect("Redis takes an edit");
}

/// What the readable state has of a key.
fn corrected(engine: &Engine, guid: u64) -> Vec<String> {
    let keys: Vec<String> =
        engine.ask(cmd("KEYS").arg(format!("{}:s:aside:n:*", engine.name))).unwrap_or_default();
    keys.iter().filter_map(|key| engine.ask::<Option<String>>(cmd("HGET").arg(key).arg(guid))?).collect()
}

#[test]
fn whatever_step_it_dies_at_nothing_is_lost_or_repeated() {
    let mut edits = 0..;
    let (mut engine, mut load) = begin_in(Services::shared(), 12, 3, &[]);
    for (group, points) in POINTS.iter().enumerate() {
        let used = engine.folder().join(format!("used{group}"));
        engine.stop();
        engine.start_in(
            3,
            &[
                ("STRATEYE_FAIL_POINT", points.join(",")),
                ("STRATEYE_FAIL_POINT_USED", used.display().to_string()),
            ],
        );
        for (i, point) in points.iter().enumerate() {
            engine.publish(&aside(edits.next().unwrap()));
            correct(&engine, 900_000, i as u64);
            let file = format!("{}.{i}", used.display());
            send_until(&mut load, point, || std::fs::exists(&file).unwrap());
        }
        let before = checkpoint(&engine);
        send_until(&mut load, "a checkpoint after the last", || checkpoint(&engine) > before + 1);
    }
    engine.stop();
    engine.start(3);
    engine.log_until("rules in force");
    engine.publish(&aside(edits.next().unwrap()));
    engine.running().log_until("the last edit", |line| {
        let (rule_id, _, state) = crate::engine::in_force(line)?;
        (rule_id == "aside" && state == "live").then_some(())
    });
    correct(&engine, 900_001, 77);
    until("the last correction is in the state", || corrected(&engine, 900_001) == ["77"]);
    let edits: Option<u64> = engine.ask(cmd("XLEN").arg(format!("{}:edits", engine.name)));
    assert_eq!(edits, Some(0), "corrections that are committed are removed");
    ends_as_expected(&mut engine, &mut load);
}
