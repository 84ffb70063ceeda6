//! Tests against a mock broker of librdkafka in this process.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};

use super::*;

type Mock = MockCluster<'static, DefaultProducerContext>;
/// Partition, key, timestamp and payload.
type Record = (i32, Option<String>, i64, String);

const PARTITIONS: i32 = 7;
const DEADLINE: Duration = Duration::from_secs(30);

fn cluster() -> Mock {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", PARTITIONS, 1).unwrap();
    cluster
}

fn read(cluster: &Mock, count: usize) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|p| all.add_partition_offset("events", p, Offset::Beginning).unwrap());
    consumer.assign(&all).unwrap();
    let begun = Instant::now();
    let mut records = Vec::new();
    while records.len() < count {
        assert!(begun.elapsed() < DEADLINE, "only {} records", records.len());
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let time = message.timestamp().to_millis().unwrap();
        records.push((message.partition(), message.key().map(text), time, text(message.payload().unwrap())));
    }
    records
}

/// murmur2 of 32 bits with the seed of Kafka's Java client, from its published description.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        hash = hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(word.try_into().unwrap()));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[test]
fn the_tests_own_murmur2_gives_what_the_java_client_gives() {
    let known: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (key, hash) in known {
        assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
    }
}

#[test]
fn a_key_lies_where_the_java_client_puts_it() {
    let cluster = cluster();
    let mut producer = Producer::open(ProduceConfig::new(&cluster.bootstrap_servers(), "events")).unwrap();
    let key = |n: usize| format!("device-{n}-{}", "重".repeat(n % 5));
    for n in 0..300 {
        producer.send_line(format!("{{\"device_id\": \"{}\", \"guid\": {n}}}", key(n)).as_bytes()).unwrap();
    }
    let produced = producer.flush(DEADLINE).unwrap();
    assert_eq!((produced.lines, produced.delivered, produced.without_key), (300, 300, 0));
    let mut seen = BTreeMap::new();
    for (partition, found, _, _) in read(&cluster, 300) {
        let found = found.unwrap();
        assert_eq!(
            partition as u32,
            (murmur2(found.as_bytes()) & 0x7fff_ffff) % PARTITIONS as u32,
            "{found}"
        );
        *seen.entry(partition).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), PARTITIONS as usize, "every partition is used: {seen:?}");
}

#[test]
fn lines_without_a_key_and_broken_ones_are_sent_as_they_are_and_counted() {
    let cluster = cluster();
    let config = ProduceConfig {
        key: "properties.shop".to_owned(),
        timestamps: Timestamps::Event,
        ..ProduceConfig::new(&cluster.bootstrap_servers(), "events")
    };
    let mut producer = Producer::open(config).unwrap();
    let lines = [
        r#"{"properties": {"shop": 7}, "event_time": 1766000000123}"#,
        r#"{"shop": 7, "ts": 1766000000124}"#,
        "{broken",
    ];
    lines.iter().for_each(|line| producer.send_line(line.as_bytes()).unwrap());
    let produced = producer.flush(DEADLINE).unwrap();
    let bytes = lines.iter().map(|line| line.len() as u64).sum();
    let expected = Produced {
        lines: 3,
        bytes,
        without_key: 2,
        broken: 1,
        without_time: 1,
        delivered: 3,
        ..Produced::default()
    };
    assert_eq!(produced, expected);
    let mut records = read(&cluster, 3);
    records.sort_by_key(|(_, _, _, payload)| lines.iter().position(|line| line == payload));
    assert_eq!(records.iter().map(|r| r.3.as_str()).collect::<Vec<_>>(), lines);
    assert_eq!(records.iter().map(|r| r.1.as_deref()).collect::<Vec<_>>(), [Some("7"), None, None]);
    assert_eq!([records[0].2, records[1].2], [1_766_000_000_123, 1_766_000_000_124]);
    assert!(records[2].2 > 1_766_000_000_124);
}

#[test]
fn a_number_chooses_the_partition() {
    let cluster = cluster();
    let config = ProduceConfig {
        key: "ip".to_owned(),
        partition_by: Some(PartitionBy { field: "guid".to_owned(), modulo: 64 }),
        ..ProduceConfig::new(&cluster.bootstrap_servers(), "events")
    };
    let mut producer = Producer::open(config).unwrap();
    for guid in 0..200_u64 {
        producer
            .send_line(format!("{{\"guid\": {guid}, \"ip\": \"10.0.0.{}\"}}", guid % 64).as_bytes())
            .unwrap();
    }
    producer.send_line(b"{\"ip\": \"10.0.0.1\"}").unwrap();
    assert_eq!(producer.flush(DEADLINE).unwrap().without_partition, 1);
    for (partition, key, _, payload) in read(&cluster, 201) {
        let key = key.unwrap();
        let (_, ip) = key.rsplit_once('.').unwrap();
        let by_number = ip.parse::<i32>().unwrap() % PARTITIONS;
        if payload.contains("guid") {
            assert_eq!(partition, by_number, "{payload}");
        }
    }
}

#[test]
fn a_topic_that_is_not_there_and_settings_that_break_are_named() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    let opened = |config| Producer::open(config).err().unwrap().to_string();
    cluster
        .topic_error("gone", rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        .unwrap();
    let error = opened(ProduceConfig::new(&brokers, "gone"));
    assert!(error.contains("`gone`") && error.contains("create it"), "{error}");
    let mut config = ProduceConfig::new(&brokers, "events");
    config.options.insert("partitioner".to_owned(), "random".to_owned());
    assert!(opened(config).contains("partition_by"));
    let mut config = ProduceConfig::new(&brokers, "events");
    config.options.insert("linger.ms".to_owned(), "secret".to_owned());
    let error = opened(config);
    assert!(error.contains("options.linger.ms") && !error.contains("secret"), "{error}");
    let by = Some(PartitionBy { field: "guid".to_owned(), modulo: 0 });
    let config = ProduceConfig { partition_by: by, ..ProduceConfig::new(&brokers, "events") };
    assert!(opened(config).contains("partition_by.modulo"));
}

#[test]
fn a_line_too_long_is_refused_by_its_number() {
    let cluster = cluster();
    let mut producer = Producer::open(ProduceConfig::new(&cluster.bootstrap_servers(), "events")).unwrap();
    producer.send_line(b"{}").unwrap();
    let error = producer.send_line(&vec![b'x'; 2 << 20]).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("message.max.bytes"), "{error}");
    producer.send_line(b"{}").unwrap();
}
