//! Micro-bench of matching whole events: decoding, finding filters, checking crowds, building routed records.
//! The rules are the workload's, some of them with a crowd; the parameter is the number of users, because
//! with many users the crowds' bitmaps are in no cache.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use operators::model::{
    ids::Offset,
    raw::{RawBatch, RawRecord},
    routed::Routed,
};
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START},
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

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    group.throughput(Throughput::Elements(BATCH as u64));
    for users in [1_000, 10_000, 100_000] {
        let settings = Settings { events: 200 * BATCH as u64, users, rules: 100, seed: 1 };
        let documents = settings.rule_documents();
        let rules = Prepared::compile(documents, START).unwrap();
        let (batches, mut matcher) = (batches(&settings), rules.matcher());
        let mut next = batches.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(users), |b| {
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
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = matching
}
criterion_main!(benches);
