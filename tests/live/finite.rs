//! A file of events between the services: when the engine has ended, all triggers are delivered.

use serde_json::json;

use crate::{
    check,
    engine::{Engine, Services},
    load::now,
};

/// More events than are delivered at once.
const EVENTS: u64 = 20_000;

#[test]
fn an_engine_that_reaches_the_end_of_its_events_has_delivered_all_triggers() {
    let mut engine = Engine::prepare(Services::shared());
    engine.publish(&json!({"rule_id": "paid", "trigger": {"event": {"id": "pay"}}}));
    // The rule is published as the engine starts; older events would be history to it.
    let later = now() + 3_600_000;
    let line = |guid: u64| json!({"guid": guid, "event_id": "pay", "event_time": later}).to_string() + "\n";
    let events = engine.folder().join("events.jsonl");
    std::fs::write(&events, (1..=EVENTS).map(line).collect::<String>()).unwrap();
    engine.run_over(&events);
    for topic in ["now", "once"] {
        assert_eq!(check::published(&engine, topic).len() as u64, EVENTS, "{topic}");
    }
}
