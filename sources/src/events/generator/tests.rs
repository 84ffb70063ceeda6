//! Tests of the generator's guarantees: the same bytes, valid events, complete journeys, an open schedule.

use std::collections::{BTreeMap, BTreeSet};

use operators::model::{
    decode::{Decoder, StreamDecoder},
    field::Fields,
};
use serde_json::Value;

use super::*;

const START: u64 = 1_766_000_000_000;

fn unpaced(rate: f64) -> GeneratorConfig {
    GeneratorConfig {
        seed: 7,
        users: 9_001,
        rate,
        partition: PartitionId(2),
        partitions: 3,
        start: Start::Fixed(START),
        paced: false,
        ..GeneratorConfig::default()
    }
}

fn lines(config: GeneratorConfig) -> Vec<(u64, Vec<u8>)> {
    let mut source = GeneratorSource::new(config).unwrap();
    let mut lines = Vec::new();
    while let Next::Batch(batch) = source.next(Duration::from_secs(60)).unwrap() {
        lines.extend(batch.records.iter().map(|r| (r.offset.0, batch.record(r).to_vec())));
    }
    lines
}

fn events(config: GeneratorConfig) -> Vec<Value> {
    lines(config).iter().map(|(_, line)| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn the_same_settings_give_the_same_bytes_whatever_the_batches_and_the_resume_point() {
    let whole = lines(GeneratorConfig { limit: Some(Offset(20_000)), ..unpaced(1000.0) });
    assert_eq!(whole.len(), 20_000);
    assert!(whole.iter().enumerate().all(|(at, (offset, _))| at as u64 == *offset));
    let small = GeneratorConfig { limit: Some(Offset(20_000)), max_records: 7, ..unpaced(1000.0) };
    assert_eq!(lines(small), whole);
    let resumed =
        GeneratorConfig { limit: Some(Offset(20_000)), first_offset: Offset(12_345), ..unpaced(1000.0) };
    assert_eq!(lines(resumed), whole[12_345..]);
    let other = GeneratorConfig { limit: Some(Offset(20_000)), seed: 8, ..unpaced(1000.0) };
    assert_ne!(lines(other), whole);
}

#[test]
fn all_events_are_decoded_in_a_single_pass() {
    let mut decoder = StreamDecoder::new(Decoder::of_milliseconds(), Fields::default());
    for (_, line) in lines(GeneratorConfig { limit: Some(Offset(20_000)), ..unpaced(1000.0) }) {
        decoder.decode(&line).unwrap();
    }
    assert_eq!(decoder.unusual(), 0);
}

#[test]
fn events_are_of_the_partition_and_stamped_by_the_schedule() {
    for (at, event) in
        events(GeneratorConfig { limit: Some(Offset(30_000)), ..unpaced(500.0) }).iter().enumerate()
    {
        assert_eq!(event["event_time"], START + at as u64 * 2);
        assert!(
            event["device_id"].as_str().unwrap().len() == 16 && event["session_id"].is_string(),
            "{event}"
        );
        assert!(event["ip"].as_str().unwrap().parse::<std::net::Ipv4Addr>().is_ok(), "{event}");
        match event["guid"].as_u64() {
            Some(guid) => assert!(guid % 3 == 2 && (1..=9_001).contains(&guid)),
            None => assert_eq!(event["event_id"], "login_failed"),
        }
        if let Some(amount) = event["properties"].get("amt") {
            assert_eq!((amount.as_f64().unwrap() * 2.0).fract(), 0.0);
        }
    }
}

#[test]
fn every_user_lies_in_exactly_one_partition() {
    let guids = (0..3).flat_map(|partition| {
        let config = GeneratorConfig {
            users: 10,
            partition: PartitionId(partition),
            limit: Some(Offset(3_000)),
            ..unpaced(10.0)
        };
        let guids: BTreeSet<u64> = events(config).iter().filter_map(|e| e["guid"].as_u64()).collect();
        guids.into_iter().collect::<Vec<_>>()
    });
    let mut guids: Vec<u64> = guids.collect();
    guids.sort_unstable();
    assert_eq!(guids, (1..=10).collect::<Vec<_>>());
}

#[test]
fn within_a_minute_journeys_complete() {
    let events = events(GeneratorConfig { limit: Some(Offset(240_000)), ..unpaced(1000.0) });
    let mut kinds = BTreeMap::<&str, u32>::new();
    let (mut favorites, mut ordered, mut paid) = (BTreeMap::new(), BTreeMap::new(), 0);
    let (mut failed, mut searched_after_ten) = (BTreeMap::<&str, u32>::new(), 0);
    for event in &events {
        let kind = event["event_id"].as_str().unwrap();
        *kinds.entry(kind).or_default() += 1;
        let p = &event["properties"];
        let text = |name: &str| p[name].as_str().unwrap();
        match kind {
            "favorite" => {
                let keyword = text("item").split(' ').next().unwrap();
                *favorites.entry((event["guid"].as_u64(), keyword)).or_insert(0) += 1;
            }
            "search" if favorites.get(&(event["guid"].as_u64(), text("keyword"))) >= Some(&10) => {
                searched_after_ten += 1
            }
            // Later ones may still be paid.
            "order" if event["event_time"].as_u64() > Some(START + 60_000) => {}
            "order" => assert!(ordered.insert(text("order_id"), event).is_none()),
            "pay" => {
                let Some(order) = ordered.get(text("order_id")) else { continue };
                assert_eq!((&order["guid"], &order["properties"]["amt"]), (&event["guid"], &p["amt"]));
                paid += 1;
            }
            "login_failed" => *failed.entry(event["ip"].as_str().unwrap()).or_default() += 1,
            _ => {}
        }
    }
    assert_eq!(kinds.len(), 21, "{kinds:?}");
    assert!(kinds.values().all(|count| (200..80_000).contains(count)), "{kinds:?}");
    let unpaid = ordered.len() - paid;
    assert!(paid > 1_000 && (10..=20).contains(&(unpaid * 100 / ordered.len())), "{paid} paid, {unpaid} not");
    assert!(searched_after_ten > 200, "{searched_after_ten}");
    assert!(failed.values().filter(|count| **count >= 5).count() > 50);
}

#[test]
fn the_schedule_advances_while_nobody_reads() {
    let config = GeneratorConfig { rate: 10_000.0, ..GeneratorConfig::default() };
    let since = wall_us() / 1000 - 60_000;
    let mut source = GeneratorSource::new(GeneratorConfig { start: Start::Since(since), ..config }).unwrap();
    let Next::Batch(batch) = source.next(Duration::ZERO).unwrap() else { panic!("no batch") };
    assert!(batch.bytes.len() > 100_000);
    let first: Value = serde_json::from_slice(batch.record(&batch.records[0])).unwrap();
    assert_eq!(first["event_time"], since);
    assert_eq!(source.progress(), ReadProgress { bytes: batch.bytes.len() as u64, total: None });
}

#[test]
fn events_that_are_not_due_are_held_back() {
    let mut source =
        GeneratorSource::new(GeneratorConfig { rate: 0.01, ..GeneratorConfig::default() }).unwrap();
    assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::Batch(batch) if batch.records.len() == 1));
    assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::CaughtUp { .. }));
    assert!(matches!(source.next(Duration::from_millis(2)).unwrap(), Next::CaughtUp { .. }));
}

#[test]
fn settings_out_of_range_are_refused() {
    for (config, setting) in [
        (GeneratorConfig { rate: 0.0, ..GeneratorConfig::default() }, "rate"),
        (GeneratorConfig { partition: PartitionId(1), ..GeneratorConfig::default() }, "partition"),
        (GeneratorConfig { users: 0, ..GeneratorConfig::default() }, "users"),
        (GeneratorConfig { max_records: 0, ..GeneratorConfig::default() }, "max_records"),
    ] {
        let error = GeneratorSource::new(config).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{setting}` is ")), "{error}");
    }
}

#[test]
fn profiles_fit_the_users() {
    let mut text = Vec::new();
    write_profiles(500, &mut text).unwrap();
    let profiles: Vec<Value> =
        String::from_utf8(text).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        profiles.iter().map(|p| p["guid"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=500).collect::<Vec<_>>()
    );
    for (tag, word, least) in
        [("interest", "商务休闲", 40), ("role", "宝妈", 30), ("shopper_type", "促销热爱型", 80)]
    {
        let count = profiles.iter().filter(|p| p[tag].to_string().contains(word)).count();
        assert!(count >= least, "{tag} {word}: {count}");
    }
}
