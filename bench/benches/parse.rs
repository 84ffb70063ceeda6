//! Micro-bench of decoding one event: with everything but the top-level fields skipped, and with the
//! properties that rules read; by the decoder that reads any record, and by the one that reads usual records
//! in a single pass, as `match` does: with the memory of the event before, and of a batch that is known to be
//! UTF-8.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
};
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START},
};

const SETTINGS: Settings = Settings { events: 1_000, users: 1_000, rules: 50, seed: 1 };

fn parse(criterion: &mut Criterion) {
    let lines: Vec<Vec<u8>> = SETTINGS.event_lines().collect();
    let texts: Vec<&str> = lines.iter().map(|line| str::from_utf8(line).unwrap()).collect();
    let rules = Prepared::compile(SETTINGS.rule_documents(), START).unwrap();
    let decoder = Decoder::default();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for (name, fields) in [("top_level", &Fields::default()), ("properties_of_50_rules", &rules.book.fields)]
    {
        let mut next = lines.iter().cycle();
        group.bench_function(format!("{name}/any"), |b| {
            b.iter(|| decoder.decode(fields, black_box(next.next().unwrap())).unwrap().event_time);
        });
        let mut stream = StreamDecoder::new(decoder.clone(), fields.clone());
        let mut next = texts.iter().cycle();
        group.bench_function(format!("{name}/usual"), |b| {
            b.iter(|| {
                let event = stream.decode_text(black_box(next.next().unwrap())).unwrap();
                let time = event.event_time;
                stream.recycle(event);
                time
            });
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
