//! Micro-bench of moving 512 routed records to their keys' owners: filling a batch, both wire codecs, and
//! filling a batch per owner and exchanging them among twelve workers.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use operators::{
    model::{
        epoch::Epoch,
        routed::Routed,
        wire::{Codec, decode, encode},
    },
    ops::{
        outgoing::{MAX_ROUTED, Outgoing, RoutedSink as _},
        route::Router,
    },
};
use strateye_bench::{
    prepared::Prepared,
    workload::{Settings, events::START},
};
use timely::{
    communication::Push,
    dataflow::channels::{Message, pushers::exchange::Distributor},
};

const RECORDS: usize = 512;
const WORKERS: usize = 12;
const SETTINGS: Settings = Settings { events: 20_000, users: 10_000, rules: 50, seed: 1 };

/// A receiver that reads what it gets and returns the memory, as a network channel does.
struct Peer;

impl Push<Message<Epoch, Routed>> for Peer {
    fn push(&mut self, message: &mut Option<Message<Epoch, Routed>>) {
        black_box(message);
    }
}

/// Records as the workload's rules produce them.
fn batch() -> Routed {
    let rules = Prepared::compile(SETTINGS.rule_documents(), START).unwrap();
    let all = rules.route(SETTINGS.event_lines());
    let mut batch = Routed::default();
    (0..RECORDS).for_each(|i| batch.push_record(&all.get(i).unwrap()));
    batch
}

fn routing(criterion: &mut Criterion) {
    let batch = batch();
    let mut group = criterion.benchmark_group("routing");
    group.throughput(Throughput::Elements(RECORDS as u64));
    let records: Vec<Vec<_>> = (0..RECORDS).map(|i| batch.get(i).unwrap().values().collect()).collect();
    let mut filling = Routed::default();
    group.bench_function("push", |b| {
        b.iter(|| {
            filling.clear();
            for (i, values) in records.iter().enumerate() {
                filling.push(&batch.get(i).unwrap(), values.iter().map(|(field, value)| (*field, value)));
            }
            filling.len()
        });
    });
    for codec in [Codec::Abomonation, Codec::Bytemuck] {
        let mut bytes = Vec::new();
        group.bench_function(BenchmarkId::new("encode", format!("{codec:?}")), |b| {
            b.iter(|| {
                bytes.clear();
                encode(black_box(&batch), codec, &mut bytes);
                bytes.len()
            });
        });
        group.bench_function(BenchmarkId::new("decode", format!("{codec:?}")), |b| {
            b.iter(|| decode(black_box(&bytes), codec).unwrap());
        });
    }
    let mut outgoing = Outgoing::to(WORKERS, MAX_ROUTED);
    let mut peers: Vec<Peer> = (0..WORKERS).map(|_| Peer).collect();
    group.bench_function(BenchmarkId::new("partition", WORKERS), |b| {
        b.iter(|| {
            outgoing.begin(Epoch(0), Epoch(0), &mut |_, _| {});
            for (i, values) in records.iter().enumerate() {
                outgoing.push(&batch.get(i).unwrap(), values.iter().map(|(field, value)| (*field, value)));
            }
            outgoing.send_all(&mut |epoch, batch| Router.partition(batch, epoch, &mut peers));
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = routing
}
criterion_main!(benches);
