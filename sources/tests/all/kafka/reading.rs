//! Tests of which records are read, from where, and of their metadata.

use std::{collections::BTreeSet, time::Duration};

use operators::model::ids::{PartitionId, Positions};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::NewPartitions,
    consumer::{BaseConsumer, Consumer},
};
use strateye_sources::events::{EventSource, KafkaConfig, KafkaSource, Next, kafka::StartAt};

use super::scene::{
    BROKER, DEADLINE, Received, Writer, administer, config, eventually, open, position_of, positions, topic,
};

#[test]
fn workers_share_the_partitions_without_overlap() {
    let config = topic("shared", 7);
    for workers in [1, 3, 9] {
        let share =
            |worker| KafkaSource::open(config.clone(), worker, workers, &Positions::default()).unwrap();
        let shares: Vec<Vec<PartitionId>> = (0..workers).map(|worker| share(worker).partitions()).collect();
        for (worker, share) in shares.iter().enumerate() {
            assert!(share.iter().all(|partition| partition.0 as usize % shares.len() == worker));
        }
        let all: Vec<PartitionId> = shares.concat();
        assert_eq!(
            (all.len(), all.into_iter().collect::<BTreeSet<_>>()),
            (7, (0..7).map(PartitionId).collect())
        );
    }
    let error = KafkaSource::open(config, 3, 3, &Positions::default()).err().unwrap();
    assert!(error.to_string().contains("`worker`"), "{error}");
}

#[test]
fn every_record_comes_once_in_order_and_a_resume_continues_after_the_last() {
    let config = topic("resumed", 3);
    let writer = Writer::new(&config);
    for partition in 0..3 {
        writer.numbers(partition, 0..5000);
    }
    let mut source = open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() >= 4000);
    let read = source.positions();
    drop(source);
    for (partition, records) in &received.records {
        assert_eq!(read.get(PartitionId(*partition)).unwrap().0, records.last().unwrap().0 + 1);
    }
    let mut source = KafkaSource::open(config, 0, 1, &read).unwrap();
    received.until(&mut source, |received| received.count() >= 15_000);
    received.until(&mut source, |received| (0..3).all(|partition| received.is_caught_up(partition, 0)));
    for partition in 0..3 {
        assert_eq!(received.numbers(partition), (0..5000).collect::<Vec<_>>());
        assert!(received.records[&partition].iter().map(|(offset, _)| *offset).eq(0..5000));
    }
    let bytes = received.records.values().flatten().map(|(_, payload)| payload.len() as u64).sum::<u64>();
    assert!(source.progress().bytes <= bytes);
}

#[test]
fn records_carry_their_own_time_long_ones_are_refused_and_tombstones_skipped() {
    let mut config = topic("times", 1);
    config.max_record_bytes = 10;
    let writer = Writer::new(&config);
    writer.queue(0, Some(1_766_000_000_001), Some("one"));
    writer.queue(0, Some(1_766_000_000_002), None);
    writer.queue(0, Some(1_766_000_000_003), Some("eleven bytes and more"));
    writer.queue(0, Some(1_766_000_000_004), Some("two"));
    writer.queue(0, Some(1_766_000_000_005), None);
    writer.flush();
    let mut source = open(&config);
    let (mut times, mut refused) = (Vec::new(), Vec::new());
    eventually("all of them", || {
        if let Next::Batch(batch) = source.next(Duration::from_millis(50)).unwrap() {
            times.extend(batch.records.iter().map(|r| (r.offset.0, r.time, batch.record(r).to_vec())));
            refused.extend(batch.refused);
        }
        position_of(&source, 0) == 5
    });
    let time = |n: i64| Some(1_766_000_000_000 + n);
    assert_eq!(times, [(0, time(1), b"one".to_vec()), (3, time(4), b"two".to_vec())]);
    assert_eq!((refused[0].offset.0, refused[0].partition.0, refused.len()), (2, 0, 1));
    let mut received = Received::default();
    received.until(&mut source, |received| received.is_caught_up(0, 0));
}

#[test]
fn a_partition_without_a_position_begins_as_the_settings_say() {
    let config = topic("started", 2);
    let writer = Writer::new(&config);
    for n in 0..100 {
        writer.queue(0, Some(1_766_000_000_000 + n * 10), Some(&n.to_string()));
    }
    writer.flush();
    let begin = |start| {
        let config = KafkaConfig { start, ..config.clone() };
        KafkaSource::open(config, 0, 1, &Positions::default()).unwrap().positions()
    };
    assert_eq!(begin(StartAt::Earliest), positions([(0, 0), (1, 0)]));
    assert_eq!(begin(StartAt::Latest), positions([(0, 100), (1, 0)]));
    assert_eq!(begin(StartAt::Timestamp(1_766_000_000_495)), positions([(0, 50), (1, 0)]));
    assert_eq!(begin(StartAt::Timestamp(1_766_000_000_500)), positions([(0, 50), (1, 0)]));
    assert_eq!(begin(StartAt::Timestamp(1_866_000_000_000)), positions([(0, 100), (1, 0)]));
    // A position of another worker's partition means that this is not the first start.
    writer.numbers(1, 0..10);
    assert_eq!(begin(StartAt::Latest), positions([(0, 100), (1, 10)]));
    for (worker, begin) in [(0, positions([(0, 7)])), (1, positions([(1, 0)]))] {
        let resumed = KafkaConfig { start: StartAt::Latest, ..config.clone() };
        let source = KafkaSource::open(resumed, worker, 2, &positions([(0, 7)])).unwrap();
        assert_eq!(source.positions(), begin);
    }
}

#[test]
fn new_partitions_are_read_from_their_beginning_by_the_worker_they_belong_to() {
    let config = KafkaConfig { start: StartAt::Latest, ..topic("grown", 2) };
    let mut source = KafkaSource::open(config.clone(), 1, 2, &Positions::default()).unwrap();
    assert_eq!(source.partitions(), [PartitionId(1)]);
    administer(&config, async |admin, options| {
        let results = admin.create_partitions(&[NewPartitions::new("grown", 6)], options).await.unwrap();
        results.into_iter().for_each(|result| drop(result.unwrap()));
        eventually("the broker knows them", || {
            let metadata = admin.inner().fetch_metadata(Some("grown"), DEADLINE).unwrap();
            metadata.topics()[0].partitions().iter().filter(|partition| partition.leader() >= 0).count() == 6
        });
    });
    let writer = Writer::new(&config);
    for partition in 0..6 {
        writer.numbers(partition, 0..10);
    }
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() >= 30);
    received.until(&mut source, |received| {
        [1, 3, 5].iter().all(|partition| received.is_caught_up(*partition, 0))
    });
    assert_eq!(received.opened, positions([(3, 0), (5, 0)]));
    for partition in [1, 3, 5] {
        assert_eq!(received.numbers(partition), (0..10).collect::<Vec<_>>());
    }
    assert_eq!(received.count(), 30, "the others are read by the other worker");
}

#[test]
fn positions_of_durable_checkpoints_are_committed_to_the_group() {
    let config = topic("settled", 3);
    Writer::new(&config).numbers(0, 0..20);
    let mut source = KafkaSource::open(config.clone(), 0, 2, &Positions::default()).unwrap();
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() == 20);
    source.commit(&positions([(0, 11), (1, 5), (2, 0)]));
    source.commit(&positions([(0, 17)]));
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", &config.group)
        .create()
        .unwrap();
    let committed = || {
        let mut list = TopicPartitionList::new();
        list.add_partition_range("settled", 0, 2);
        let list = group.committed_offsets(list, DEADLINE).unwrap();
        list.elements().iter().map(|element| element.offset()).collect::<Vec<_>>()
    };
    eventually("the last positions are committed", || {
        received.read(&mut source);
        committed() == [Offset::Offset(17), Offset::Invalid, Offset::Offset(0)]
    });
}

#[test]
fn a_missing_topic_and_missing_brokers_are_named() {
    let opened = |config| KafkaSource::open(config, 0, 1, &Positions::default()).err().unwrap().to_string();
    let error = opened(config(&BROKER, "nowhere"));
    assert!(error.contains("`nowhere` does not exist") && error.contains("create it"), "{error}");
    // The port is bound, so that no other program gets it, but never speaks Kafka's protocol.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let error = opened(KafkaConfig::new(&address, "events"));
    assert!(error.contains(&address) && error.contains("check the addresses"), "{error}");
}

#[test]
fn options_reach_the_client() {
    let mut config = topic("optional", 1);
    config.options.insert("fetch.wait.max.ms".to_owned(), "many".to_owned());
    let error = KafkaSource::open(config.clone(), 0, 1, &Positions::default()).err().unwrap().to_string();
    assert!(error.contains("options.fetch.wait.max.ms"), "{error}");
    config.options.insert("fetch.wait.max.ms".to_owned(), "100".to_owned());
    config.options.insert("isolation.level".to_owned(), "read_uncommitted".to_owned());
    Writer::transactional(&config).transaction(0, 0..3, false);
    let mut received = Received::default();
    received.until(&mut open(&config), |received| received.count() == 3);
}
