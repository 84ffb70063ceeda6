//! The offsets at which a change of a rule took force are written to its row, and the engine does not take
//! its own write for a change.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::{
    engine::{Engine, PARTITIONS, Services, in_force, live_cut},
    load::Load,
    waiting::{all_read, checkpoints, send_for_checkpoints, until},
};

fn rule(least: u64) -> Json {
    json!({"rule_id": "r", "trigger": "satisfied", "conditions": [
        {"id": "n", "calculator": "count", "event": {"id": "view"}, "met": format!("value >= {least}")}]})
}

/// Waits until the log has the offsets of a version in a state, and the row has the same.
fn await_cut(engine: &mut Engine, version: u64, state: &str) -> BTreeMap<u32, u64> {
    let change = ("r".to_owned(), version, state.to_owned());
    let said = engine.running().log_until(&format!("where {change:?} took force"), |line| {
        live_cut(line).filter(|_| in_force(line).as_ref() == Some(&change))
    });
    until("its row says the same", || written(engine) == said);
    said
}

fn written(engine: &Engine) -> BTreeMap<u32, u64> {
    let query = format!("SELECT live_cut FROM {}.rule_engine_resource", engine.name);
    serde_json::from_str(&engine.services.mysql.query(&query).concat()).unwrap_or_default()
}

#[test]
fn each_change_of_a_rule_writes_its_offsets_once() {
    let mut engine = Engine::prepare(Services::shared());
    engine.publish(&rule(3));
    engine.start(2);
    let first = await_cut(&mut engine, 1, "live");
    assert_eq!(first.len(), PARTITIONS as usize, "where all partitions begin: {first:?}");
    let mut load = Load::new(&engine, 1);
    send_for_checkpoints(&engine, &mut load, 2);
    // Checkpoints continue while the first events are still on their way.
    all_read(&engine, &load);
    engine.publish(&rule(5));
    let second = await_cut(&mut engine, 2, "live");
    assert!(second.values().sum::<u64>() > first.values().sum(), "{first:?} {second:?}");
    send_for_checkpoints(&engine, &mut load, 2);
    engine.set_status("r", "paused");
    let paused = await_cut(&mut engine, 2, "paused");
    send_for_checkpoints(&engine, &mut load, 2);

    // A resumed rule took force before.
    engine.kill();
    engine.start(2);
    engine.log_until("\"resumed\":true");
    send_for_checkpoints(&engine, &mut load, 2);
    assert_eq!(written(&engine), paused);
    engine.set_status("r", "online");
    await_cut(&mut engine, 2, "live");
    checkpoints(&engine, 2);
    engine.stop();
    let changes: Vec<_> = engine.log.iter().filter(|line| live_cut(line).is_some()).collect();
    assert_eq!(changes.len(), 4, "{changes:#?}");
}
