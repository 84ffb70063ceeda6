//! A trigger that no topic accepts: it is dropped and logged, and the others are delivered.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    check,
    engine::{Engine, Services},
    load::{Load, now},
    waiting::{checkpoints, until},
};

#[test]
fn a_trigger_too_large_for_its_topics_blocks_no_other() {
    let mut engine = Engine::prepare(Services::shared());
    let by_device = json!({"rule_id": "paid", "key_by": "device_id", "trigger": {"event": {"id": "pay"}}});
    engine.publish(&by_device);
    engine.start(2);
    engine.log_until("rule in force");
    checkpoints(&engine, 1);
    let mut load = Load::new(&engine, 1);
    // Its line and its key repeat it: together they are larger than a record may be.
    let large = "x".repeat(600_000);
    for (guid, device) in [(1, "a"), (2, &*large), (3, "b"), (4, &*large), (5, "c")] {
        let event = json!({"guid": guid, "event_id": "pay", "event_time": now(), "device_id": device});
        load.put(0, event.to_string(), now());
    }
    load.flush();
    for topic in ["now", "once"] {
        let fired =
            || check::published(&engine, topic).iter().map(|t| t["key"].to_string()).collect::<BTreeSet<_>>();
        let others = BTreeSet::from(["a", "b", "c"].map(|device| format!("{device:?}")));
        until(&format!("the others are published in {topic}"), || fired() == others);
    }
    // It counts as acknowledged: checkpoints continue.
    checkpoints(&engine, 2);
    engine.log_until("a trigger is dropped");
    engine.stop();
    assert!(engine.log.iter().any(|line| line.contains("triggers are dropped")), "{:#?}", engine.log);
    assert!(!engine.log.iter().any(|line| line.contains("restarting")), "{:#?}", engine.log);
}
