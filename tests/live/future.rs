//! Producers whose clock is in the year 2100: they affect only their own events.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::{
    check,
    engine::{Engine, Services},
    load::{Load, now},
    waiting::{checkpoint, checkpoints, until},
};

/// 1 January 2100, unix ms.
const YEAR_2100: i64 = 4_102_444_800_000;

fn rules() -> [Json; 2] {
    [
        json!({"rule_id": "unpaid", "trigger": {"each": "n"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "20s"}}]}),
        json!({"rule_id": "busy", "trigger": "satisfied", "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": "view"}, "window": {"last": "1m"}, "met": "value >= 3"}]}),
    ]
}

/// Sends an event of a user to its partition, with its own time and the record's.
fn send(load: &mut Load, guid: u64, kind: &str, time: i64, stamp: i64) {
    let line = json!({"guid": guid, "event_id": kind, "event_time": time}).to_string();
    load.put((guid % u64::from(load.used)) as usize, line, stamp);
}

/// Users for whom a rule fired, and the instants of the firings.
fn fired(engine: &Engine, rule: &str) -> (BTreeSet<u64>, Vec<i64>) {
    let all = check::published(engine, "now");
    let mine = all.iter().filter(|trigger| trigger["rule_id"] == rule);
    mine.map(|trigger| (trigger["key"].as_u64().unwrap(), trigger["fired_at"].as_i64().unwrap())).unzip()
}

#[test]
fn times_far_ahead_count_as_now_and_fire_no_other_users_timers() {
    let mut engine = Engine::prepare(Services::shared());
    rules().iter().for_each(|rule| engine.publish(rule));
    engine.start(2);
    engine.log_until("rule in force");
    checkpoints(&engine, 1);
    let mut load = Load::new(&engine, 1);
    let began = now();
    // Orders that will be paid, some that will not, and views before and after those from the future.
    let (paid, unpaid) = (1..121u64, 121..133u64);
    let at = now();
    paid.clone().chain(unpaid.clone()).for_each(|guid| send(&mut load, guid, "order", at, at));
    paid.clone().for_each(|guid| send(&mut load, guid, "view", at, at));
    // Records stamped in 2100, in every partition, with plausible and implausible event times.
    for guid in 1_200..1_212 {
        send(&mut load, guid, "order", at, YEAR_2100);
        send(&mut load, guid + 12, "order", YEAR_2100, YEAR_2100);
    }
    // Only their event time lies in 2100.
    for guid in 1_224..1_236 {
        send(&mut load, guid, "order", YEAR_2100, at);
        send(&mut load, guid, "view", YEAR_2100, at);
    }
    load.flush();
    checkpoints(&engine, 2);
    let at = now();
    paid.clone().for_each(|guid| send(&mut load, guid, "pay", at, at));
    paid.clone().for_each(|guid| (0..2).for_each(|_| send(&mut load, guid, "view", at, at)));
    (1_224..1_236).for_each(|guid| (0..2).for_each(|_| send(&mut load, guid, "view", at, at)));
    load.flush();
    assert!(now() < began + 19_000, "too slow for the rule's span");
    let never_paid: BTreeSet<u64> = unpaid.chain(1_200..1_236).collect();
    until("all that were not paid fire", || fired(&engine, "unpaid").0.is_superset(&never_paid));
    let ended = now();
    checkpoints(&engine, 2);
    let (guids, instants) = fired(&engine, "unpaid");
    assert_eq!(guids, never_paid, "and nobody else");
    assert_eq!(instants.len(), never_paid.len());
    assert!(instants.iter().all(|at| (began + 20_000..=ended).contains(at)), "{began} {ended} {instants:?}");
    let (guids, instants) = fired(&engine, "busy");
    assert_eq!(guids, paid.chain(1_224..1_236).collect());
    assert!(instants.iter().all(|at| (began..=ended).contains(at)), "{began} {ended} {instants:?}");
    let (_, manifest) = engine.committed().unwrap();
    let clocks = manifest["clocks"].as_array().unwrap();
    assert_eq!(clocks.len(), 12);
    assert!(clocks.iter().all(|pair| pair[1].as_i64().unwrap() <= now()), "{manifest}");
    assert!(checkpoint(&engine) > 4);
    engine.stop();
    assert!(!engine.log.iter().any(|line| line.contains("restarting")), "{:#?}", engine.log);
}
