//! Micro-bench of matching whole events: decoding, finding filters, checking crowds, building routed records.
//! The rules are the workload's, each with a crowd. One parameter is the number of users, because with many
//! users the crowds are in no cache; the other is the number of rules, where `idle` is 5,000 of which 4,950
//! never match.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use operators::model::{
    ids::Offset,
    raw::{RawBatch, RawRecord},
    routed::Routed,
};
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START, variant::Kind},
};

/// Events per batch.
const BATCH: usize = 512;

fn batches(settings: &Settings) -> Vec<RawBatch> {
    let lines: Vec<Vec<u8>> = settings.event_lines().collect();
    let batch = |lines: &[Vec<u8>]| {
        let mut batch = RawBatch::default();
        for (line, offset) in lines.iter().zip((0..).map(Offset)) {
            let start = batch.bytes.len() as u32;
            batch.bytes.extend_from_slice(line);
            batch.records.push(RawRecord { offset, start, end: batch.bytes.len() as u32, time: None });
        }
        batch
    };
    lines.chunks(BATCH).map(batch).collect()
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, settings: &Settings, rules: &Prepared) {
    let (batches, mut matcher) = (batches(settings), rules.matcher());
    let mut next = batches.iter().cycle();
    group.bench_function(BenchmarkId::from_parameter(name), |b| {
        b.iter_batched(
            || next.next().unwrap(),
            |batch| {
                let mut routed = Routed::default();
                matcher.batch(black_box(batch), &mut routed, &mut Vec::new());
                routed
            },
            BatchSize::SmallInput,
        );
    });
    assert_eq!(matcher.counts().refused, 0);
}

fn by_users(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    group.throughput(Throughput::Elements(BATCH as u64));
    for users in [1_000, 10_000, 100_000] {
        let settings = Settings { events: 200 * BATCH as u64, users, rules: 100, seed: 1 };
        let rules = Prepared::compile(settings.rule_documents(), START).unwrap();
        bench(&mut group, &users.to_string(), &settings, &rules);
    }
    group.finish();
}

fn by_rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching_by_rules");
    group.throughput(Throughput::Elements(BATCH as u64));
    let settings = |rules| Settings { events: 200 * BATCH as u64, users: 100_000, rules, seed: 1 };
    for count in [50, 100, 500, 5_000] {
        let settings = settings(count);
        let rules = Prepared::compile(settings.rule_documents(), START).unwrap();
        bench(&mut group, &count.to_string(), &settings, &rules);
    }
    let settings = settings(50);
    let busy = settings.rule_documents().map(|(_, text)| Ok(serde_json::from_str(&text).unwrap()));
    let documents = Kind::Idle.documents(busy).unwrap().map(|document| {
        let document = document.unwrap();
        (document["rule_id"].to_string(), document.to_string())
    });
    bench(&mut group, "idle", &settings, &Prepared::compile(documents, START).unwrap());
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = by_users, by_rules
}
criterion_main!(benches);
