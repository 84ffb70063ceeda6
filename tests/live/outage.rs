//! A broker that is away for longer than a rule's span: no rule misses a payment that was made in time.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value as Json, json};
use strateye_tests::services::Kafka;

use crate::{
    check,
    engine::{Engine, Services},
    load::{Load, now},
    waiting::{all_read, checkpoints, pass, until},
};

/// The rule's span, ms.
const SPAN: i64 = 10_000;
/// Users with an order each, in each of the cases; those whose number is not divisible by 10 pay.
const USERS: u64 = 240;

fn rule() -> Json {
    json!({"rule_id": "unpaid", "trigger": {"each": "n"}, "conditions": [
        {"id": "n", "calculator": "absence", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "10s"}}]})
}

fn pays(guid: &u64) -> bool {
    !guid.is_multiple_of(10)
}

fn send(load: &mut Load, guids: impl Iterator<Item = u64>, kind: &str, at: i64) {
    for guid in guids {
        let line = json!({"guid": guid, "event_id": kind, "event_time": at}).to_string();
        load.put((guid % u64::from(load.used)) as usize, line, at);
    }
}

/// Waits until all users up to `end` who did not pay have fired, and no others.
fn fire(engine: &Engine, end: u64) {
    let wanted: BTreeSet<u64> = (1..end).filter(|guid| !pays(guid)).collect();
    let fired = || -> BTreeSet<u64> {
        check::published(engine, "now").iter().map(|t| t["key"].as_u64().unwrap()).collect()
    };
    until("all who did not pay have a trigger", || fired().is_superset(&wanted));
    // The clocks of all partitions have passed the deadlines of the paid orders, too.
    checkpoints(engine, 1);
    assert_eq!(fired(), wanted);
}

#[test]
fn payments_in_time_count_however_long_the_broker_is_away() {
    let kafka = Arc::new(Kafka::start());
    let mut engine = Engine::prepare(Services { kafka, ..Services::shared() });
    engine.publish(&rule());
    engine.start(2);
    engine.log_until("rule in force");
    checkpoints(&engine, 2);
    let mut load = Load::new(&engine, 1);

    // The broker hangs; payments are on their way to it when it does.
    let orders = now();
    send(&mut load, 1..USERS, "order", orders);
    load.flush();
    engine.services.kafka.pause();
    send(&mut load, (1..USERS).filter(pays), "pay", now());
    assert!(now() < orders + SPAN, "too slow for the rule's span");
    pass(orders + SPAN + 2_000);
    engine.services.kafka.resume();
    load.send_again();
    load.flush();
    fire(&engine, USERS);

    // The broker dies; payments wait at their producer.
    let orders = now();
    send(&mut load, USERS..2 * USERS, "order", orders);
    load.flush();
    engine.services.kafka.kill();
    send(&mut load, (USERS..2 * USERS).filter(pays), "pay", now());
    assert!(now() < orders + SPAN, "too slow for the rule's span");
    pass(orders + SPAN + 2_000);
    engine.services.kafka.restart();
    load.send_again();
    load.flush();
    fire(&engine, 2 * USERS);

    // The broker dies while the engine is away, and payments lie in the topic that the engine has not read.
    let orders = now();
    send(&mut load, 2 * USERS..3 * USERS, "order", orders);
    load.flush();
    all_read(&engine, &load);
    engine.stop();
    send(&mut load, (2 * USERS..3 * USERS).filter(pays), "pay", orders + SPAN - 1);
    pass(orders + SPAN);
    load.flush();
    engine.services.kafka.kill();
    engine.start(2);
    pass(orders + SPAN + 2_000);
    engine.services.kafka.restart();
    fire(&engine, 3 * USERS);
    engine.stop();
}
