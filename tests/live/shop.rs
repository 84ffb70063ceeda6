//! Sources of a test's events: a small shop whose rules use every feature, or the benchmarks' workload.

use std::{collections::VecDeque, iter};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};
use strateye_bench::workload::Settings;

/// Users of the shop.
const USERS: u64 = 400;

/// An event: a number that selects its partition (modulo the number of partitions), the event, and how late
/// its own time is (ms).
pub(crate) type Event = (u64, Json, i64);

/// Endless events of the shop, to be stamped. Users who share an ip share a partition, if the number of
/// partitions divides 36.
pub(crate) fn shop(seed: u64) -> impl Iterator<Item = Event> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut orders = 0u64;
    iter::repeat_with(move || {
        let guid = random.random_range(1..=USERS);
        let kinds = ["view", "view", "view", "search", "search", "cart", "order", "pay", "login-failed"];
        let kind = kinds[random.random_range(0..kinds.len())];
        if kind == "order" {
            orders += 1;
        }
        // Some events are a little late.
        let late = if random.random_range(0..10) == 0 { random.random_range(0..800) } else { 0 };
        let page = ["home", "cart", "重庆"][random.random_range(0..3)];
        let order = if kind == "pay" { orders.saturating_sub(random.random_range(0..12)) } else { orders };
        let event = json!({
            "guid": guid,
            "device_id": format!("d{guid}"),
            "ip": format!("10.0.0.{}", guid % 36),
            "event_id": kind,
            "properties": {
                "item": format!("i{}", random.random_range(0..9)),
                "page": page,
                "amt": f64::from(random.random_range(0..200)) / 2.0,
                "order": order,
            },
        });
        (guid, event, late)
    })
}

/// The benchmarks' workload: its rules, and its events, which are stamped anew; partitioned by the cluster of
/// an ip.
pub(crate) fn yardstick(seed: u64, rules: u64, events: u64) -> (Vec<Json>, impl Iterator<Item = Event>) {
    let settings = Settings { events, users: 500, rules, seed };
    let documents = settings.rule_documents().map(|(_, document)| serde_json::from_str(&document).unwrap());
    let rules: VecDeque<Json> = documents.collect();
    let events = settings.event_lines().map(|line| {
        let mut event: Json = serde_json::from_slice(&line).unwrap();
        event.as_object_mut().unwrap().remove("ts");
        let cluster = event["guid"].as_u64().unwrap() % 64;
        (cluster, event, 0)
    });
    (rules.into(), events)
}
