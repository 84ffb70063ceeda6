//! Micro-bench of evaluating one routed record: a rule of four conditions, all of which fold the event, for
//! one of ten thousand users.
//!
//! `fold`: the event is not the rule's trigger. `judge`: it is, so `when` is evaluated too; it never holds.
//! `fire`: it always holds, so each event makes a trigger, which is dropped.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use operators::ops::{Emitted, evaluating::Evaluator};
use serde_json::json;
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START},
};

const SETTINGS: Settings = Settings { events: 20_000, users: 10_000, rules: 1, seed: 1 };

/// A rule over payments, triggered by an event of kind `trigger`.
fn rule(trigger: &str, when: &str) -> Prepared {
    let pay = json!({"id": "pay"});
    let document = json!({
        "rule_id": "four",
        "conditions": [
            {"id": "count", "calculator": "count", "event": pay, "met": "value >= 1000000000"},
            {"id": "spent", "calculator": "stats", "event": pay, "params": {"of": "amt"}, "met": "sum >= 1e15"},
            {"id": "pairs", "calculator": "gap", "steps": [pay, pay], "params": {"at_most": "1h"}, "met": "value >= 1000000000"},
            {"id": "rounds", "calculator": "sequence", "steps": [pay, pay], "met": "value >= 1000000000"},
        ],
        "when": when,
        "trigger": {"event": {"id": trigger}},
    });
    Prepared::compile([("four".to_owned(), document.to_string())], START).unwrap()
}

/// The workload's events, all converted to payments of one amount.
fn payments() -> impl Iterator<Item = Vec<u8>> {
    SETTINGS.event_lines().map(|line| {
        let mut event: serde_json::Value = serde_json::from_slice(&line).unwrap();
        event["event_id"] = json!("pay");
        event["properties"]["amt"] = json!(12.5);
        event.to_string().into_bytes()
    })
}

fn evaluate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(1));
    let never = "count && (spent || pairs) && rounds";
    let always = format!("!({never})");
    for (name, trigger, when) in
        [("fold", "refund", never), ("judge", "pay", never), ("fire", "pay", &always)]
    {
        let rules = rule(trigger, when);
        let routed = rules.route(payments());
        let mut evaluator = Evaluator::new(Arc::clone(&rules.book));
        let (mut emitted, mut fired) = (Emitted::default(), false);
        let mut next = (0..routed.len()).cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                fired |= !emitted.triggers.is_empty();
                emitted.triggers.clear();
                evaluator.record(&black_box(routed.get(next.next().unwrap())).unwrap(), &mut emitted);
            });
        });
        assert!(fired == (name == "fire") && emitted.failures.is_empty(), "{:?}", emitted.failures);
        assert!(evaluator.counts().folded >= 4 * evaluator.counts().records, "{:?}", evaluator.counts());
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = evaluate
}
criterion_main!(benches);
