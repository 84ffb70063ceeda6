//! `produce`, against a Kafka broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, WITHIN};
use strateye_tests::services::Kafka;

use crate::scene::{Scene, lines};

pub(crate) static KAFKA: LazyLock<Kafka> = LazyLock::new(Kafka::start);

/// A record: partition, key, timestamp, payload.
type Record = (i32, Option<String>, i64, String);

/// Reads `count` records of a topic with 3 partitions.
fn read(topic: &str, count: usize) -> Vec<Record> {
    let consumer: BaseConsumer = KAFKA.client().set("group.id", "test").create().unwrap();
    let mut all = TopicPartitionList::new();
    (0..3).for_each(|p| all.add_partition_offset(topic, p, Offset::Beginning).unwrap());
    consumer.assign(&all).unwrap();
    let end = Instant::now() + WITHIN;
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < end, "only {records:?}");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let time = message.timestamp().to_millis().unwrap();
        records.push((message.partition(), message.key().map(text), time, text(message.payload().unwrap())));
    }
    records.sort_by(|a, b| a.3.cmp(&b.3));
    records
}

fn event(n: u64) -> String {
    json!({"event_id": "A", "event_time": 1_790_035_200_000u64 + n, "guid": n, "device_id": format!("d-{}", n % 7)})
        .to_string()
}

fn summary(output: &[String]) -> Json {
    assert_eq!(output.len(), 1, "{output:?}");
    serde_json::from_str(&output[0]).unwrap()
}

#[test]
fn a_file_is_sent_by_key_with_the_events_own_times() {
    KAFKA.topic("file", 3);
    let events: Vec<String> = (0..50).map(event).collect();
    let scene = Scene::with(&[], &events);
    let mut text = lines(&events);
    text.push_str("\n   \nno event\n");
    scene.write("events.jsonl", &text);
    let produce = ["produce", "--events", "events.jsonl", "--topic", "file", "--brokers", KAFKA.address()];
    let finished = scene.succeed(&[&produce[..], &["--timestamps", "event", "--json"]].concat());
    let said = summary(&finished.output);
    let counts =
        ["lines", "delivered", "keyless", "broken", "without_time", "too_long"].map(|name| &said[name]);
    assert_eq!(counts, [51, 51, 1, 1, 1, 0], "{said:#}");
    let bytes: usize = events.iter().map(String::len).sum();
    assert!(said["bytes"] == bytes + 8 && said["seconds"].as_f64().unwrap() > 0.0, "{said:#}");
    let records = read("file", 51);
    let mut partitions: BTreeMap<String, u64> = BTreeMap::new();
    records.iter().for_each(|(partition, ..)| *partitions.entry(partition.to_string()).or_default() += 1);
    assert_eq!(said["partitions"], json!(partitions));
    let mut of_key: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for (partition, key, time, payload) in records.iter().filter(|(.., payload)| payload != "no event") {
        let event: Json = serde_json::from_str(payload).unwrap();
        assert_eq!(
            (key.as_deref(), *time),
            (event["device_id"].as_str(), event["event_time"].as_i64().unwrap())
        );
        of_key.entry(key.as_deref().unwrap()).or_default().insert(*partition);
    }
    assert_eq!(of_key.len(), 7);
    assert!(of_key.values().all(|partitions| partitions.len() == 1), "{of_key:?}");
}

#[test]
fn standard_input_goes_where_the_settings_say_no_faster_than_asked() {
    KAFKA.topic("input", 3);
    let scene = Scene::new();
    scene.write(
        "strateye.toml",
        &format!(
            "[kafka]\nbrokers = \"{}\"\ntopic = \"input\"\noptions = {{ \"isolation.level\" = \"read_committed\" }}\n",
            KAFKA.address()
        ),
    );
    let produce = ["produce", "--events", "-", "--config", "strateye.toml", "--partition-by", "guid%2"];
    let more = ["--rate", "100/s", "--json"];
    let mut running = Running::start(&mut scene.command(&[&produce[..], &more].concat()));
    (0..40).for_each(|n| running.write(&event(n)));
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    let said = summary(&finished.output);
    assert_eq!(said["partitions"], json!({"0": 20, "1": 20}), "{said:#}");
    assert!(said["seconds"].as_f64().unwrap() >= 0.39, "40 lines at 100 a second: {said:#}");
    for (partition, _, _, payload) in read("input", 40) {
        let guid = serde_json::from_str::<Json>(&payload).unwrap()["guid"].as_i64().unwrap();
        assert_eq!(i64::from(partition), guid % 2);
    }
}

#[test]
fn what_cannot_be_sent_is_told_with_what_to_do() {
    let scene = Scene::with(&[], &[event(1)]);
    let refused = |more: &[&str], code: i32, named: &[&str]| {
        let finished = scene.run(&[&["produce", "--events", "events.jsonl"], more].concat());
        let said = finished.log.join("\n");
        assert_eq!(finished.code, Some(code), "{said}");
        named.iter().for_each(|name| assert!(said.contains(name), "{name} is not named: {said}"));
    };
    let brokers = KAFKA.address();
    refused(&["--topic", "t"], 2, &["--brokers is missing", "[kafka]"]);
    refused(&["--brokers", brokers], 2, &["--topic is missing"]);
    refused(&["--brokers", brokers, "--topic", "no-such-topic"], 2, &["no-such-topic", "create it"]);
    refused(&["--brokers", brokers, "--topic", "t", "--rate", "fast"], 2, &["5000/s"]);
    // Nothing listens at port 1.
    refused(&["--brokers", "127.0.0.1:1", "--topic", "t"], 1, &["127.0.0.1:1", "check the addresses"]);
    let finished = scene.run(&["produce", "--events", "none.jsonl", "--brokers", brokers, "--topic", "t"]);
    assert_eq!(finished.code, Some(2), "{}", finished.all());
}
