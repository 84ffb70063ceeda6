//! Partitions without events, and workers without partitions: clocks and checkpoints go on.

use serde_json::{Value as Json, json};

use crate::{
    check,
    engine::Services,
    load::Load,
    rules::rules,
    waiting::{all_read, begin_in, checkpoints, ends_as_expected, send_for_checkpoints, until},
};

/// Timers that are due, of orders in the one partition that has events: rule by rule those that the reference
/// would fire if there were an event long after.
fn due(load: &Load) -> Vec<String> {
    let mut lines = load.lines.clone();
    let last: Json = serde_json::from_str(lines[0].last().unwrap()).unwrap();
    let later = last["event_time"].as_i64().unwrap() + 60_000;
    lines[0].push(json!({"event_id": "the-end", "event_time": later}).to_string());
    let expected = check::expected_lines(&rules(), &lines);
    let timer = |trigger: &Json| trigger["rule_id"] == "unpaid";
    expected.triggers.into_iter().filter(|(_, trigger)| timer(trigger)).map(|(firing, _)| firing).collect()
}

#[test]
fn timers_fire_and_checkpoints_go_on_while_most_partitions_are_empty() {
    // One worker has no partition, and one partition has events.
    const PARTITIONS: u32 = 4;
    let (mut engine, mut load) = begin_in(Services::shared(), PARTITIONS, 5, &[]);
    load.used = 1;
    send_for_checkpoints(&engine, &mut load, 5);
    load.flush();
    all_read(&engine, &load);
    // No event arrives any more, and yet every order that was not paid fires.
    let due = due(&load);
    assert!(due.len() > 5, "{}", due.len());
    until("all timers fire", || {
        let fired = check::published(&engine, "now");
        due.iter().all(|due| fired.iter().any(|trigger| check::firing(trigger) == *due))
    });
    checkpoints(&engine, 2);
    let (_, manifest) = engine.committed().unwrap();
    for what in ["positions", "clocks"] {
        let mut known: Vec<u64> =
            manifest[what].as_array().unwrap().iter().map(|pair| pair[0].as_u64().unwrap()).collect();
        known.sort_unstable();
        assert_eq!(known, (0..u64::from(PARTITIONS)).collect::<Vec<_>>(), "{what}: {manifest}");
    }
    ends_as_expected(&mut engine, &mut load);
}
