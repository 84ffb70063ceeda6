//! Micro-bench of decoding one event: with everything but the top-level fields skipped, and with the
//! properties that rules read.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use operators::model::{decode::Decoder, field::Fields};
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START},
};

const SETTINGS: Settings = Settings { events: 1_000, users: 1_000, rules: 50, seed: 1 };

fn parse(criterion: &mut Criterion) {
    let lines: Vec<Vec<u8>> = SETTINGS.event_lines().collect();
    let rules = Prepared::compile(SETTINGS.rule_documents(), START).unwrap();
    let decoder = Decoder::default();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for (name, fields) in [("top_level", &Fields::default()), ("properties_of_50_rules", &rules.book.fields)]
    {
        let mut lines = lines.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| decoder.decode(fields, black_box(lines.next().unwrap())).unwrap().event_time);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = parse
}
criterion_main!(benches);
