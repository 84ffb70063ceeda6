//! Tests of the Kafka sinks with a real broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
    mocking::{MockCluster, MockCoordinator},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use strateye_sinks::{
    Sent, Trigger, TriggerSink as _, TriggerSinkError,
    dead_letters::{self, Replayed},
    kafka::{KafkaSink, KafkaSinkConfig, KafkaSinkError, KafkaTransactions},
};
use strateye_tests::services::Kafka;

use crate::wait;

const LONG: Duration = Duration::from_secs(60);

/// Broker shared by the tests that leave it running.
static BROKER: LazyLock<Kafka> = LazyLock::new(Kafka::start);

fn trigger(number: u64) -> Trigger {
    let key = (number % 5).to_string();
    Trigger {
        id: format!("t-{number}"),
        line: format!("{{\"键\":{key},\"n\":{number}}}"),
        key,
        expires: None,
    }
}

fn triggers(numbers: std::ops::Range<u64>) -> Vec<Trigger> {
    numbers.map(trigger).collect()
}

fn config(broker: &Kafka, topic: &str) -> KafkaSinkConfig {
    KafkaSinkConfig::new(broker.address(), topic)
}

/// All triggers of a topic that a consumer reads now, in the order of their partitions.
pub(crate) fn consumed(broker: &Kafka, topic: &str) -> Vec<Trigger> {
    let consumer: BaseConsumer = broker
        .client()
        .set("group.id", "reads")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), LONG).unwrap();
    let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|p| p.id()).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let (mut ended, mut found) = (BTreeSet::new(), BTreeMap::<i32, Vec<Trigger>>::new());
    let end = Instant::now() + LONG;
    while ended.len() < partitions.len() {
        assert!(Instant::now() < end, "the end of {topic} was not reached");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let header = message.headers().unwrap().get(0);
                assert_eq!(header.key, "trigger_id");
                found.entry(message.partition()).or_default().push(Trigger {
                    id: text(header.value.unwrap()),
                    key: text(message.key().unwrap()),
                    line: text(message.payload().unwrap()),
                    expires: None,
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    found.into_values().flatten().collect()
}

/// Asserts that each trigger was found once, and those of a key in order.
fn assert_exactly(found: &[Trigger], expected: &[Trigger]) {
    let by_key = |all: &[Trigger]| {
        let mut keys = BTreeMap::<String, Vec<Trigger>>::new();
        for trigger in all {
            keys.entry(trigger.key.clone()).or_default().push(trigger.clone());
        }
        keys
    };
    assert_eq!(by_key(found), by_key(expected));
}

/// Sends all triggers, waiting for room; returns how often the sink was full.
fn send_all(sink: &KafkaSink, all: &[Trigger]) -> usize {
    all.iter().map(|trigger| wait::send(sink, trigger, LONG).unwrap()).sum()
}

/// Blocks until everything accepted so far is acknowledged, for `longest` at most; returns whether it is.
fn all_acknowledged(sink: &KafkaSink, longest: Duration) -> Result<bool, TriggerSinkError> {
    wait::all_acknowledged(sink, longest)
}

/// Downcasts to the Kafka error.
fn kafka_error(error: &TriggerSinkError) -> &KafkaSinkError {
    let TriggerSinkError::Failed(error) = error else { panic!("{error:?}") };
    error.downcast_ref().unwrap()
}

#[test]
fn triggers_arrive_under_their_key_with_their_id() {
    BROKER.topic("immediate", 3);
    let sink = KafkaSink::start(&config(&BROKER, "immediate")).unwrap();
    assert_eq!((sink.accepted(), sink.acknowledged()), (0, 0));
    send_all(&sink, &triggers(0..1000));
    assert_eq!(sink.accepted(), 1000);
    assert!(all_acknowledged(&sink, LONG).unwrap());
    let stats = sink.stats();
    assert_eq!((sink.acknowledged(), stats.delivered, stats.queued, stats.failed), (1000, 1000, 0, 0));
    assert_exactly(&consumed(&BROKER, "immediate"), &triggers(0..1000));
}

#[test]
fn a_broker_that_is_killed_costs_no_trigger_and_doubles_none() {
    let broker = Kafka::start();
    broker.topic("restarted", 3);
    let sink = KafkaSink::start(&config(&broker, "restarted")).unwrap();
    send_all(&sink, &triggers(0..50_000));
    // The broker is killed with records in every stage, and is down for the later ones.
    assert!(wait::acknowledged(&sink, 1_000, LONG).unwrap());
    broker.kill();
    send_all(&sink, &triggers(50_000..60_000));
    assert_eq!(sink.accepted(), 60_000);
    assert!(sink.acknowledged() <= 50_000);
    broker.restart();
    assert!(all_acknowledged(&sink, LONG).unwrap());
    assert_eq!(sink.stats().delivered, 60_000);
    assert_exactly(&consumed(&broker, "restarted"), &triggers(0..60_000));
}

#[test]
fn a_full_queue_hands_the_trigger_back_until_the_broker_is_there_again() {
    let broker = Kafka::start();
    broker.topic("full", 1);
    let mut config = config(&broker, "full");
    config.queue = 10;
    let sink = KafkaSink::start(&config).unwrap();
    broker.kill();
    for number in 0..10 {
        assert_eq!(sink.send(&trigger(number)).unwrap(), Sent::Accepted(number + 1));
    }
    assert_eq!(sink.send(&trigger(10)).unwrap(), Sent::Full);
    assert!(wait::send(&sink, &trigger(10), Duration::from_millis(100)).is_none());
    assert!(!all_acknowledged(&sink, Duration::ZERO).unwrap());
    assert_eq!((sink.accepted(), sink.acknowledged(), sink.stats().queued), (10, 0, 10));
    broker.restart();
    assert!(wait::send(&sink, &trigger(10), LONG).is_some());
    assert!(send_all(&sink, &triggers(11..200)) > 0);
    assert!(all_acknowledged(&sink, LONG).unwrap());
    assert_exactly(&consumed(&broker, "full"), &triggers(0..200));
}

#[test]
fn a_topic_that_is_not_there_fails_the_sink_with_the_remedy() {
    let mut config = config(&BROKER, "nowhere");
    config.options.insert("topic.metadata.propagation.max.ms".to_owned(), "500".to_owned());
    let sink = KafkaSink::start(&config).unwrap();
    assert_eq!(sink.send(&trigger(1)).unwrap(), Sent::Accepted(1));
    let error = all_acknowledged(&sink, LONG).unwrap_err().to_string();
    assert_eq!(sink.check().unwrap_err().to_string(), error);
    assert!(error.contains("nowhere") && error.contains("create it"), "{error}");
    let refused = sink.send(&trigger(2)).unwrap_err();
    assert!(matches!(kafka_error(&refused), KafkaSinkError::Refused { .. }), "{refused}");
    assert_eq!((sink.accepted(), sink.acknowledged(), sink.stats().failed), (1, 0, 1));
}

#[test]
fn a_trigger_that_is_too_large_is_refused_and_the_sink_goes_on() {
    BROKER.topic("large", 1);
    let sink = KafkaSink::start(&config(&BROKER, "large")).unwrap();
    let large = Trigger { line: "x".repeat(2_000_000), ..trigger(1) };
    let refused = sink.send(&large).unwrap();
    assert!(
        matches!(&refused, Sent::Refused(reason) if reason.contains("t-1 has 2000000 bytes")),
        "{refused:?}"
    );
    assert_eq!((sink.accepted(), sink.stats().failed), (0, 1));
    assert_eq!(sink.send(&trigger(2)).unwrap(), Sent::Accepted(1));
    assert!(all_acknowledged(&sink, LONG).unwrap());

    BROKER.topic("large-committed", 1);
    let mut transactions = KafkaTransactions::open(&config(&BROKER, "large-committed"), "large").unwrap();
    let error = transactions.publish(1, &[trigger(1), large]).unwrap_err();
    assert!(matches!(error, KafkaSinkError::TooLarge { .. }), "{error}");
    assert_eq!(transactions.last_published().unwrap(), None);
    transactions.publish(1, &[trigger(3)]).unwrap();
    assert_eq!(transactions.last_published().unwrap(), Some(1));
    assert_exactly(&consumed(&BROKER, "large-committed"), &[trigger(3)]);
}

#[test]
fn a_record_that_is_too_large_by_itself_is_left_out_and_the_rest_of_its_batch_arrives() {
    let broker = Kafka::start_with(&["message.max.bytes=4000"]);
    let large = Trigger { line: "x".repeat(6000), ..trigger(7) };
    let (others, mut all) = (triggers(100..600), triggers(100..600));
    all.insert(20, large.clone());
    all.insert(400, large.clone());

    broker.topic("limited", 2);
    let mut config = config(&broker, "limited");
    // A long linger, so that all records of a partition form one batch at first, which is too large.
    config.options.insert("linger.ms".to_owned(), "500".to_owned());
    let sink = KafkaSink::start(&config).unwrap();
    send_all(&sink, &all);
    assert!(all_acknowledged(&sink, LONG).unwrap());
    let stats = sink.stats();
    assert_eq!((sink.acknowledged(), stats.delivered, stats.queued, stats.failed), (502, 500, 0, 2));
    sink.check().unwrap();
    // Records that were sent again one by one may come after later ones of their key.
    let ids = |all: &[Trigger]| all.iter().map(|trigger| trigger.id.clone()).collect::<BTreeSet<_>>();
    let found = consumed(&broker, "limited");
    assert_eq!((found.len(), ids(&found)), (500, ids(&others)));

    broker.topic("limited-committed", 2);
    let limited = KafkaSinkConfig { topic: "limited-committed".to_owned(), ..config };
    let mut transactions = KafkaTransactions::open(&limited, "limited").unwrap();
    for left in [2, 1] {
        let error = transactions.publish(1, &all).unwrap_err();
        assert!(
            matches!(&error, KafkaSinkError::TooLarge { trigger } if **trigger == large),
            "{left}: {error}"
        );
        let at = all.iter().position(|trigger| *trigger == large).unwrap();
        all.remove(at);
    }
    assert_eq!(transactions.last_published().unwrap(), None);
    transactions.publish(1, &all).unwrap();
    assert_eq!(transactions.last_published().unwrap(), Some(1));
    transactions.publish(2, &triggers(600..1100)).unwrap();
    assert_exactly(&consumed(&broker, "limited-committed"), &triggers(100..1100));
}

#[test]
fn batches_are_published_with_their_number() {
    BROKER.topic("committed", 3);
    let mut config = config(&BROKER, "committed");
    // Smaller than a batch.
    config.queue = 100;
    let mut transactions = KafkaTransactions::open(&config, "committed").unwrap();
    assert_eq!(transactions.last_published().unwrap(), None);
    transactions.publish(0, &triggers(0..10)).unwrap();
    assert_eq!(transactions.last_published().unwrap(), Some(0));
    transactions.publish(1, &[]).unwrap();
    transactions.publish(7, &triggers(10..3000)).unwrap();
    let error = transactions.publish(7, &triggers(10..3000)).unwrap_err();
    assert!(matches!(error, KafkaSinkError::Behind { number: 7, last: 7, .. }), "{error}");
    assert!(transactions.publish(u64::MAX, &[]).unwrap_err().to_string().contains("can be stored"));
    drop(transactions);

    let mut again = KafkaTransactions::open(&config, "committed").unwrap();
    assert_eq!(again.last_published().unwrap(), Some(7));
    again.publish(8, &triggers(3000..3010)).unwrap();
    assert_eq!(again.last_published().unwrap(), Some(8));
    assert_exactly(&consumed(&BROKER, "committed"), &triggers(0..3010));
    let other = KafkaTransactions::open(&config, "another").unwrap();
    assert_eq!(other.last_published().unwrap(), None);
}

/// Simulates a process that crashes within the transaction of a batch, after step `until`.
fn crash_within(broker: &Kafka, topic: &str, id: &str, number: u64, batch: &[Trigger], until: u8) {
    let producer: ThreadedProducer<DefaultProducerContext> =
        broker.client().set("transactional.id", id).create().unwrap();
    producer.init_transactions(LONG).unwrap();
    producer.begin_transaction().unwrap();
    if until >= 1 {
        for trigger in batch {
            let record = BaseRecord::to(topic).key(&trigger.key).payload(&trigger.line);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(LONG).unwrap();
    }
    if until >= 2 {
        let marker: BaseConsumer = broker.client().set("group.id", id).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, 0, Offset::Offset(i64::try_from(number).unwrap())).unwrap();
        let group = marker.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&offsets, &group, LONG).unwrap();
    }
    // The transaction stays open in the broker, as after a kill.
    std::mem::forget(producer);
}

#[test]
fn a_crash_inside_a_transaction_leaves_no_trace_and_the_batch_is_published_again() {
    BROKER.topic("crashed", 3);
    for until in 0..3u8 {
        let number = u64::from(until);
        let batch = triggers(number * 100..(number + 1) * 100);
        crash_within(&BROKER, "crashed", "crashed", number, &batch, until);
        let mut transactions = KafkaTransactions::open(&config(&BROKER, "crashed"), "crashed").unwrap();
        assert_eq!(
            transactions.last_published().unwrap(),
            number.checked_sub(1),
            "crashed after step {until}"
        );
        transactions.publish(number, &batch).unwrap();
        // Crash after the commit: reading the number again returns it.
        drop(transactions);
        let transactions = KafkaTransactions::open(&config(&BROKER, "crashed"), "crashed").unwrap();
        assert_eq!(transactions.last_published().unwrap(), Some(number));
    }
    assert_exactly(&consumed(&BROKER, "crashed"), &triggers(0..300));
}

#[test]
fn the_older_of_two_publishers_is_locked_out() {
    BROKER.topic("fenced", 1);
    let config = config(&BROKER, "fenced");
    let mut older = KafkaTransactions::open(&config, "one").unwrap();
    older.publish(1, &triggers(0..10)).unwrap();
    let mut newer = KafkaTransactions::open(&config, "one").unwrap();
    assert_eq!(newer.last_published().unwrap(), Some(1));
    let error = older.publish(2, &triggers(10..20)).unwrap_err();
    assert!(matches!(error, KafkaSinkError::Fenced { .. }), "{error:?}");
    assert!(error.to_string().contains("another process has opened the transactional id \"one\""), "{error}");
    assert!(matches!(older.publish(2, &triggers(10..20)), Err(KafkaSinkError::Reopen)));
    newer.publish(2, &triggers(10..20)).unwrap();
    assert_exactly(&consumed(&BROKER, "fenced"), &triggers(0..20));
}

#[test]
fn a_topic_that_is_not_there_refuses_a_batch_with_the_remedy() {
    let mut config = config(&BROKER, "nowhere-committed");
    config.options.insert("topic.metadata.propagation.max.ms".to_owned(), "500".to_owned());
    let mut transactions = KafkaTransactions::open(&config, "nowhere").unwrap();
    let error = transactions.publish(1, &triggers(0..3)).unwrap_err();
    assert!(matches!(error, KafkaSinkError::Refused { .. }), "{error:?}");
    BROKER.topic("nowhere-committed", 1);
    let mut transactions = KafkaTransactions::open(&config, "nowhere").unwrap();
    assert_eq!(transactions.last_published().unwrap(), None);
    transactions.publish(1, &triggers(0..3)).unwrap();
    assert_exactly(&consumed(&BROKER, "nowhere-committed"), &triggers(0..3));
}

#[test]
fn a_broker_that_is_killed_during_publishing_is_waited_for() {
    let broker = Kafka::start();
    broker.topic("waited", 2);
    let mut transactions = KafkaTransactions::open(&config(&broker, "waited"), "waited").unwrap();
    let (publishing, published) = std::sync::mpsc::channel();
    let publisher = thread::spawn(move || {
        for number in 0..60 {
            transactions.publish(number, &triggers(number * 200..(number + 1) * 200)).unwrap();
            publishing.send(number).unwrap();
        }
        transactions.last_published().unwrap()
    });
    for kill_after in [5, 20] {
        while published.recv_timeout(LONG).unwrap() < kill_after {}
        broker.kill();
        broker.restart();
    }
    assert_eq!(publisher.join().unwrap(), Some(59));
    assert_exactly(&consumed(&broker, "waited"), &triggers(0..60 * 200));
}

#[test]
fn a_coordinator_that_is_away_does_not_hold_the_publisher_for_ever() {
    let cluster = MockCluster::new(2).unwrap();
    cluster.create_topic("stuck", 1, 1).unwrap();
    cluster.partition_leader("stuck", 0, Some(1)).unwrap();
    cluster.coordinator(MockCoordinator::Transaction("stuck".to_owned()), 1).unwrap();
    cluster.coordinator(MockCoordinator::Group("stuck".to_owned()), 2).unwrap();
    let mut config = KafkaSinkConfig::new(cluster.bootstrap_servers(), "stuck");
    config.publish_timeout_ms = 1000;
    let mut transactions = KafkaTransactions::open(&config, "stuck").unwrap();
    transactions.publish(1, &triggers(0..3)).unwrap();
    cluster.broker_down(2).unwrap();
    let error = transactions.publish(2, &triggers(3..6)).unwrap_err();
    assert!(matches!(error, KafkaSinkError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("the group's coordinator does not answer"), "{error}");
    assert!(matches!(transactions.publish(2, &[]), Err(KafkaSinkError::Reopen)));
    drop(transactions);
    cluster.broker_up(2).unwrap();
    config.publish_timeout_ms = 60_000;
    let mut transactions = KafkaTransactions::open(&config, "stuck").unwrap();
    // The mock cluster does not keep numbers, so the test ends here.
    transactions.publish(3, &triggers(6..9)).unwrap();
}

#[test]
fn a_publish_in_doubt_after_an_error_is_settled_by_opening_again() {
    let broker = Kafka::start();
    broker.topic("doubt", 2);
    let patient = config(&broker, "doubt");
    let impatient = KafkaSinkConfig { publish_timeout_ms: 1000, ..patient.clone() };
    let (mut number, mut errors) = (0u64, 0);
    while number < 40 {
        let mut transactions = KafkaTransactions::open(&patient, "doubt").unwrap();
        // As the engine does after a restart.
        let last = transactions.last_published().unwrap();
        assert!(last == number.checked_sub(1) || last == Some(number), "{last:?} at {number}");
        number = last.map_or(0, |last| last + 1);
        drop(transactions);
        transactions =
            KafkaTransactions::open(if errors < 3 { &impatient } else { &patient }, "doubt").unwrap();
        let (publishing, published) = std::sync::mpsc::channel();
        let from = number;
        let publisher = thread::spawn(move || {
            for number in from..40 {
                publishing.send(number).unwrap();
                if let Err(error) = transactions.publish(number, &triggers(number * 300..(number + 1) * 300))
                {
                    return Err((number, error));
                }
            }
            Ok(())
        });
        if errors < 3 {
            // In the middle of the fourth publish, at whatever stage.
            while published.recv_timeout(LONG).unwrap() < from + 3 {}
            broker.kill();
            let (failed, error) = publisher.join().unwrap().unwrap_err();
            assert!(matches!(error, KafkaSinkError::Unavailable { .. }), "{error:?}");
            (number, errors) = (failed, errors + 1);
            broker.restart();
        } else {
            publisher.join().unwrap().unwrap();
            number = 40;
        }
    }
    assert_eq!(errors, 3);
    assert_exactly(&consumed(&broker, "doubt"), &triggers(0..40 * 300));
}

#[test]
fn dead_letters_of_a_topic_are_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let letter = |number: u64| {
        let Trigger { id, key, line, .. } = trigger(number);
        format!(
            "{{\"at\":1,\"url\":\"kafka://a\",\"attempts\":0,\"last_error\":\"old\",\"id\":\"{id}\",\"key\":\"{key}\",\"trigger\":{line}}}\n"
        )
    };
    std::fs::write(&path, [letter(1), letter(2)].concat()).unwrap();
    BROKER.topic("again", 1);
    let sink = KafkaSink::start(&config(&BROKER, "again")).unwrap();
    assert_eq!(dead_letters::replay(&path, &sink).unwrap(), Replayed { sent: 2, unreadable: 0 });
    assert_eq!(consumed(&BROKER, "again"), triggers(1..3));
    assert!(!path.exists());
}
