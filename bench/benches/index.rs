//! Micro-bench of finding the filters that an event matches: the index against a loop over all filters, by
//! their number.
//!
//! Filters over ten kinds of events: 55 % compare a page, channel or category for equality (some of them
//! bound `dur` too), 15 % look for a text, 5 % match a regular expression, 20 % bound a number, 5 % have no
//! predicate.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use operators::{
    filter::{Faulted, Filter, Index, Scratch},
    model::{decode::Decoder, event::Event, field::Fields},
};
use serde_json::{Value as Json, json};
use strateye_bench::workload::{
    Settings,
    draw::Draw,
    vocabulary::{CATEGORIES, CHANNELS, EVENT_TYPES, KEYWORDS, LONGEST_DURATION, PAGES, page},
};

const SETTINGS: Settings = Settings { events: 1_000, users: 1_000, rules: 1, seed: 1 };

fn compare(property: &str, op: &str, value: Json) -> Json {
    json!({"property": property, "op": op, "value": value})
}

fn filter(draw: &mut Draw) -> Json {
    let id = draw.pick(&EVENT_TYPES[..10]).id;
    let word: Vec<char> = draw.pick(&KEYWORDS).chars().collect();
    let part: String = word[draw.below(word.len() - 1)..].iter().take(2).collect();
    let bound = |draw: &mut Draw| json!(draw.below(LONGEST_DURATION));
    let predicates = match draw.below(20) {
        0..4 => vec![compare("page_id", "=", json!(page(draw.below(PAGES))))],
        4..8 => {
            vec![compare("page_id", "=", json!(page(draw.below(PAGES)))), compare("dur", "<", bound(draw))]
        }
        8..10 => vec![compare("cate", "=", json!(draw.pick(&CATEGORIES))), compare("dur", ">=", bound(draw))],
        10 => vec![compare("channel", "=", json!(draw.pick(&CHANNELS))), compare("dur", "<", bound(draw))],
        11..14 => return json!({"id": "search", "where": [compare("keyword", "contains", json!(part))]}),
        14 => {
            return json!({"id": "search", "where": [compare("keyword", "regex", json!(format!("{part}.*$")))]});
        }
        15..17 => vec![compare("dur", "<", bound(draw))],
        17..19 => vec![compare("dur", ">=", bound(draw))],
        _ => vec![],
    };
    json!({"id": id, "where": predicates})
}

fn filters(count: usize, fields: &mut Fields) -> Vec<Filter> {
    let mut draw = Draw::new(1, 0);
    let compile = |_| Filter::compile(&serde_json::from_value(filter(&mut draw)).unwrap(), fields).unwrap();
    (0..count).map(compile).collect()
}

fn find(criterion: &mut Criterion) {
    let lines: Vec<Vec<u8>> = SETTINGS.event_lines().collect();
    let mut group = criterion.benchmark_group("index");
    for count in [50, 500, 5_000] {
        let mut fields = Fields::default();
        let filters = filters(count, &mut fields);
        let events: Vec<Event<'_>> =
            lines.iter().map(|line| Decoder::default().decode(&fields, line).unwrap()).collect();
        group.throughput(Throughput::Elements(1));
        let (mut scratch, mut faulted) = (Scratch::default(), Faulted::default());
        let index = Index::build(&filters);
        let mut next = events.iter().cycle();
        group.bench_function(BenchmarkId::new("find", count), |b| {
            b.iter(|| {
                index.find(black_box(next.next().unwrap()), &mut scratch, &mut faulted);
                scratch.units.len()
            });
        });
        let mut next = events.iter().cycle();
        group.bench_function(BenchmarkId::new("naive_loop", count), |b| {
            b.iter(|| {
                let event = black_box(next.next().unwrap());
                filters.iter().filter(|filter| filter.matches(event, &mut faulted)).count()
            });
        });
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("build", count), |b| {
            b.iter(|| Index::build(black_box(&filters)))
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = find
}
criterion_main!(benches);
