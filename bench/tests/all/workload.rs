//! Tests that the workload is the same everywhere, has the shape it is documented to have, and that its rules
//! fire.

use std::{collections::BTreeMap, fs, sync::Arc};

use operators::{
    model::decode::{Decoder, StreamDecoder},
    ops::{Emitted, evaluating::Evaluator},
};
use serde_json::Value as Json;
use strateye_bench::{
    Error,
    prepared::Prepared,
    workload::{Folder, Settings, events::START},
};
use xxhash_rust::xxh3::xxh3_64;

const SMALL: Settings = Settings { events: 20_000, users: 500, rules: 24, seed: 7 };

fn written(settings: Settings) -> (Vec<u8>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let parts = Folder::of(folder.path());
    parts.write(&settings).unwrap();
    let rule = |n: u64| fs::read_to_string(parts.rules.join(format!("r{n:05}.json"))).unwrap();
    (fs::read(&parts.events).unwrap(), (0..settings.rules).map(rule).collect())
}

#[test]
fn the_same_numbers_give_the_same_bytes() {
    let first = written(SMALL);
    assert_eq!(first, written(SMALL));
    let other = written(Settings { seed: 8, ..SMALL });
    assert!(first.0 != other.0 && first.1 != other.1);
}

/// Figures of different days can be compared only while this holds. A deliberate change of the workload
/// writes the new number here, and measures anew.
#[test]
fn the_workload_is_what_it_always_was() {
    let (events, rules) = written(SMALL);
    let digest = format!("{:016x}", xxh3_64(&[events, rules.concat().into_bytes()].concat()));
    assert_eq!(digest, "d9a6f820404dd87c");
}

#[test]
fn more_events_or_rules_change_none_that_were_there() {
    let (few, rules) = written(SMALL);
    let (same, more_rules) = written(Settings { rules: 30, ..SMALL });
    assert!(few == same && more_rules.starts_with(&rules));
    assert!(written(Settings { events: 30_000, ..SMALL }).0.starts_with(&few));
}

#[test]
fn events_have_the_shape_that_is_promised() {
    let (mut bytes, mut kinds, mut users, mut last) =
        (0, BTreeMap::<String, u64>::new(), BTreeMap::<u64, u64>::new(), 0);
    for line in SMALL.event_lines() {
        bytes += line.len() as u64;
        let event: Json = serde_json::from_slice(&line).unwrap();
        let guid = event["guid"].as_u64().unwrap();
        *kinds.entry(event["event_id"].as_str().unwrap().into()).or_default() += 1;
        *users.entry(guid).or_default() += 1;
        assert!((1..=SMALL.users).contains(&guid));
        assert!(event["ip"].as_str().unwrap().starts_with(&format!("10.{}.", guid % 64)));
        let time = event["ts"].as_i64().unwrap();
        assert!(time >= last.max(START));
        last = time;
        if let Some(amount) = event["properties"]["amt"].as_f64() {
            assert_eq!((amount * 2.0).fract(), 0.0);
        }
    }
    let mean = bytes / SMALL.events;
    assert!((215..=235).contains(&mean), "{mean} bytes");
    assert_eq!(kinds.len(), 20);
    let percent = kinds["page_view"] * 100 / SMALL.events;
    assert!((21..=23).contains(&percent), "{percent} %");
    assert!(users.values().max().unwrap() > &(10 * users.values().min().unwrap()));
}

#[test]
fn all_events_are_decoded_in_a_single_pass() {
    let rules = Prepared::compile(SMALL.rule_documents(), START).unwrap();
    let mut decoder = StreamDecoder::new(Decoder::of_milliseconds(), rules.book.fields.clone());
    SMALL.event_lines().for_each(|line| drop(decoder.decode(&line).unwrap()));
    assert_eq!(decoder.unusual(), 0);
}

/// Triggers per event, in one process and without timely.
fn fires(settings: Settings) -> (f64, usize) {
    let rules = Prepared::compile(settings.rule_documents(), START).unwrap();
    let routed = rules.route(settings.event_lines());
    let mut evaluator = Evaluator::new(Arc::clone(&rules.book));
    let mut emitted = Emitted::default();
    (0..routed.len()).for_each(|i| evaluator.record(&routed.get(i).unwrap(), &mut emitted));
    assert!(emitted.failures.is_empty(), "{:?}", emitted.failures);
    let fired: BTreeMap<_, _> = emitted.triggers.iter().map(|t| (&t.rule_id, ())).collect();
    (emitted.triggers.len() as f64 / settings.events as f64, fired.len())
}

#[test]
fn rules_fire_at_a_sensible_rate_whatever_the_size() {
    for (events, users) in [(30_000, 1_000), (60_000, 20_000)] {
        let (rate, rules) = fires(Settings { events, users, rules: 100, seed: 1 });
        assert!((0.001..0.05).contains(&rate), "{events} events, {users} users: {rate} triggers per event");
        assert!(rules >= 50, "{events} events, {users} users: only {rules} rules of 100 fired");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Folder::of(folder.path());
    let refused = |settings: Settings| parts.write(&settings).expect_err("refused");
    assert!(matches!(refused(Settings { users: 0, ..SMALL }), Error::Usage(_)));
    parts.write(&SMALL).unwrap();
    parts.write(&SMALL).unwrap();
    let stale = refused(Settings { rules: 1, ..SMALL });
    assert_eq!(stale.exit_code(), 2);
    assert!(stale.to_string().contains("not of this workload"), "{stale}");
}
