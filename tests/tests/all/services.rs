//! Tests of the services that other tests run against: a write survives a kill, addresses survive a restart,
//! and nothing is left when they end.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Message, Offset, TopicPartitionList};
use redis::Commands;
use strateye_tests::command::WITHIN;
use strateye_tests::services::{Kafka, Mysql, Redis, RedisCluster, Service};

/// Kills a service and starts it again; both are timed, and shown with `--nocapture`.
fn crash(name: &str, service: &Service) {
    let started = Instant::now();
    service.kill();
    let killed = started.elapsed();
    service.restart();
    eprintln!("{name}: killed in {killed:.2?}, back after {:.2?} in all", started.elapsed());
}

/// Starts a service, and prints how long that took.
fn timed<Started>(name: &str, start: impl FnOnce() -> Started) -> Started {
    let begun = Instant::now();
    let service = start();
    eprintln!("{name}: started in {:.2?}", begun.elapsed());
    service
}

#[test]
fn redis_keeps_a_write_over_a_kill() {
    let service = timed("redis", Redis::start);
    let client = redis::Client::open(service.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let () = connection.hset("rule", "condition", 7).unwrap();
    crash("redis", &service);
    let mut connection = client.get_connection().unwrap();
    let value: i64 = connection.hget("rule", "condition").unwrap();
    assert_eq!(value, 7);
}

#[test]
fn a_custom_setting_survives_a_restart() {
    let service = Redis::start_with(&["--appendfsync", "everysec"]);
    let client = redis::Client::open(service.url()).unwrap();
    let policy = || -> (String, String) {
        let mut connection = client.get_connection().unwrap();
        redis::cmd("CONFIG").arg("GET").arg("appendfsync").query(&mut connection).unwrap()
    };
    assert_eq!(policy().1, "everysec");
    crash("redis", &service);
    assert_eq!(policy().1, "everysec");
}

#[test]
fn a_paused_redis_answers_nothing_until_it_resumes() {
    let service = Redis::start();
    let client = redis::Client::open(service.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    connection.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    service.pause();
    let error = redis::cmd("PING").exec(&mut connection).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    service.resume();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("PING").exec(&mut connection).unwrap();
}

#[test]
fn a_redis_cluster_keeps_writes_over_a_kill_of_a_node_and_of_all() {
    let service = timed("redis-cluster", RedisCluster::start);
    assert_eq!(service.urls().len(), 3);
    let connect = || redis::cluster::ClusterClient::new(service.urls()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = (0..30).map(|key| format!("key:{key}")).collect();
    let mut connection = connect();
    for key in &keys {
        let () = connection.set(key, key).unwrap();
    }
    service.kill_node(1);
    service.restart();
    crash("redis-cluster", &service);
    let mut connection = connect();
    for key in &keys {
        let value: String = connection.get(key).unwrap();
        assert_eq!(&value, key);
    }
}

#[test]
fn mysql_keeps_a_write_over_a_kill() {
    let service = timed("mysql", Mysql::start);
    service.execute(
        "CREATE TABLE rule (id BIGINT PRIMARY KEY, name VARCHAR(64)); INSERT INTO rule VALUES (1, '规则')",
    );
    crash("mysql", &service);
    assert_eq!(service.query("SELECT id, name FROM rule"), ["1\t规则"]);
    let settings =
        service.query("SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata");
    assert_eq!(settings, ["1\tROW\tFULL\tFULL"]);
    assert!(service.url().ends_with(&format!("{}/strateye", service.address())));
}

/// Payloads of a topic's only partition, from its start, as many as expected; aborted ones are not included.
fn consume(kafka: &Kafka, topic: &str, expected: usize) -> Vec<String> {
    let consumer: BaseConsumer =
        kafka.client().set("group.id", "test").set("isolation.level", "read_committed").create().unwrap();
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partition).unwrap();
    let end = Instant::now() + WITHIN;
    let mut found = Vec::new();
    while found.len() < expected {
        assert!(Instant::now() < end, "only {found:?}");
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            found.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
    }
    found
}

fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, payload: &str) {
    let record = BaseRecord::<(), str>::to(topic).partition(0).payload(payload);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

#[test]
fn kafka_keeps_writes_and_transactions_over_a_kill() {
    let kafka = timed("kafka", Kafka::start);
    kafka.topic("events", 1);
    let plain: ThreadedProducer<DefaultProducerContext> = kafka.client().create().unwrap();
    send(&plain, "events", "first");
    plain.flush(WITHIN).unwrap();

    let mut config = kafka.client();
    let transactional: ThreadedProducer<DefaultProducerContext> =
        config.set("transactional.id", "test").create().unwrap();
    transactional.init_transactions(WITHIN).unwrap();
    transactional.begin_transaction().unwrap();
    send(&transactional, "events", "aborted");
    transactional.flush(WITHIN).unwrap();
    transactional.abort_transaction(WITHIN).unwrap();
    transactional.begin_transaction().unwrap();
    send(&transactional, "events", "committed");
    transactional.commit_transaction(WITHIN).unwrap();

    crash("kafka", &kafka);
    assert_eq!(consume(&kafka, "events", 2), ["first", "committed"]);
    let begun = Instant::now();
    kafka.stop();
    kafka.restart();
    eprintln!("kafka: stopped and started in {:.2?}", begun.elapsed());
    assert_eq!(consume(&kafka, "events", 2), ["first", "committed"]);
}

#[test]
fn a_kafka_topic_has_its_partitions_and_others_are_not_made_by_use() {
    let kafka = Kafka::start();
    kafka.topic("four", 4);
    let consumer: BaseConsumer = kafka.client().set("allow.auto.create.topics", "true").create().unwrap();
    let partitions = |topic: &str| {
        let metadata = consumer.fetch_metadata(Some(topic), WITHIN).unwrap();
        metadata.topics()[0].partitions().len()
    };
    assert_eq!(partitions("four"), 4);
    assert_eq!(partitions("never-made"), 0);
}

#[test]
fn nothing_is_left_of_a_service_that_ends() {
    let service = Redis::start();
    let (address, folder) = (service.address().to_owned(), service.folder().to_owned());
    assert!(folder.is_dir());
    service.pause();
    drop(service);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}
