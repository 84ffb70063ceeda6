//! A broker for all tests of this binary, writers to its topics, and a reader that records the messages of a
//! source.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use strateye_sources::events::{EventSource, KafkaConfig, KafkaSource, Next, kafka::StartAt};
use strateye_tests::services::Kafka;

pub(crate) static BROKER: LazyLock<Kafka> = LazyLock::new(Kafka::start);

/// Time limit of every wait, for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_millis(50);
/// Pause between two polls of a condition, so that others have the processor meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A topic of the shared broker, read from its beginning.
pub(crate) fn topic(name: &str, partitions: usize) -> KafkaConfig {
    BROKER.topic(name, partitions);
    config(&BROKER, name)
}

pub(crate) fn config(kafka: &Kafka, topic: &str) -> KafkaConfig {
    KafkaConfig {
        group: format!("group-of-{topic}"),
        start: StartAt::Earliest,
        ..KafkaConfig::new(kafka.address(), topic)
    }
}

/// Positions of these partitions and offsets.
pub(crate) fn positions<const N: usize>(pairs: [(u32, u64); N]) -> Positions {
    pairs.into_iter().map(|(partition, offset)| (PartitionId(partition), Offset(offset))).collect()
}

/// The first offset of a partition that the source has not handed over.
pub(crate) fn position_of(source: &KafkaSource, partition: u32) -> u64 {
    source.positions().get(PartitionId(partition)).unwrap().0
}

/// The source of the only worker, from the beginning.
pub(crate) fn open(config: &KafkaConfig) -> KafkaSource {
    KafkaSource::open(config.clone(), 0, 1, &Positions::default()).unwrap()
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A producer that waits until its records are acknowledged.
pub(crate) struct Writer {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

impl Writer {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        Writer::with(config, &[])
    }

    /// A producer that writes in transactions.
    pub(crate) fn transactional(config: &KafkaConfig) -> Self {
        let writer = Writer::with(config, &[("transactional.id", &config.topic)]);
        writer.producer.init_transactions(DEADLINE).unwrap();
        writer
    }

    fn with(config: &KafkaConfig, options: &[(&str, &str)]) -> Self {
        let mut client = rdkafka::ClientConfig::new();
        client.set("bootstrap.servers", &config.brokers).set("enable.idempotence", "true");
        // A request that a hanging broker left unanswered is repeated well within the deadline.
        client.set("request.timeout.ms", "5000").set("socket.timeout.ms", "10000");
        for (name, value) in options {
            client.set(*name, *value);
        }
        Writer { producer: client.create().unwrap(), topic: config.topic.clone() }
    }

    /// Queues a record; `None` is a tombstone.
    pub(crate) fn queue(&self, partition: i32, time: Option<i64>, payload: Option<&str>) {
        let mut record = BaseRecord::<str, str>::to(&self.topic).partition(partition).key("key");
        record = payload.into_iter().fold(record, BaseRecord::payload);
        record = time.into_iter().fold(record, BaseRecord::timestamp);
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(DEADLINE).unwrap();
    }

    /// Writes records with these numbers as payloads.
    pub(crate) fn numbers(&self, partition: i32, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|n| self.queue(partition, None, Some(&n.to_string())));
        self.flush();
    }

    /// Writes records in a transaction, and commits or aborts it.
    pub(crate) fn transaction(&self, partition: i32, numbers: impl IntoIterator<Item = u64>, commit: bool) {
        self.producer.begin_transaction().unwrap();
        self.numbers(partition, numbers);
        if commit {
            self.producer.commit_transaction(DEADLINE)
        } else {
            self.producer.abort_transaction(DEADLINE)
        }
        .unwrap();
    }
}

/// The messages of a source so far.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Offset and payload, by partition.
    pub(crate) records: BTreeMap<u32, Vec<(u64, String)>>,
    pub(crate) refused: Vec<u64>,
    pub(crate) opened: Positions,
    /// Partition, and the instant at which it held nothing more.
    pub(crate) caught_up: Vec<(u32, i64)>,
}

impl Received {
    /// Reads until `enough` holds.
    pub(crate) fn until(&mut self, source: &mut KafkaSource, enough: impl Fn(&Received) -> bool) {
        let begun = Instant::now();
        while !enough(self) {
            assert!(begun.elapsed() < DEADLINE, "{:?}", self.brief());
            self.read(source);
        }
    }

    /// Reads one message.
    pub(crate) fn read(&mut self, source: &mut KafkaSource) {
        match source.next(WAIT).unwrap() {
            Next::Batch(batch) => {
                assert!(
                    batch.records.len() <= 1024 && !(batch.records.is_empty() && batch.refused.is_empty())
                );
                assert!(batch.read_at > 0);
                let text = |r| String::from_utf8(batch.record(r).to_vec()).unwrap();
                let records = batch.records.iter().map(|r| (r.offset.0, text(r)));
                self.records.entry(batch.partition.0).or_default().extend(records);
                self.refused.extend(batch.refused.iter().map(|refused| refused.offset.0));
            }
            Next::Idle => {}
            Next::CaughtUp { partitions, at } => {
                self.caught_up.extend(partitions.into_iter().map(|partition| (partition.0, at)));
            }
            Next::Opened(partitions) => self.opened.extend(partitions),
            Next::End => panic!("a topic has no end"),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }

    /// Payloads of a partition as numbers.
    pub(crate) fn numbers(&self, partition: u32) -> Vec<u64> {
        self.records
            .get(&partition)
            .into_iter()
            .flatten()
            .map(|(_, payload)| payload.parse().unwrap())
            .collect()
    }

    /// Whether the partition was caught up at `since` or later.
    pub(crate) fn is_caught_up(&self, partition: u32, since: i64) -> bool {
        self.caught_up.iter().any(|(caught_up, at)| *caught_up == partition && *at >= since)
    }

    fn brief(&self) -> impl std::fmt::Debug {
        (self.count(), &self.opened, self.caught_up.last())
    }
}

/// Waits until a condition holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until none of `partitions` partitions has a lag: lags are as of the last query for ends, which may
/// be before the last records were read.
pub(crate) fn no_lag(source: &KafkaSource, partitions: u32) {
    let none: BTreeMap<_, i64> = (0..partitions).map(|partition| (PartitionId(partition), 0)).collect();
    eventually("no partition is behind", || *source.lags().lock().unwrap() == none);
}

/// Runs an administrative request.
pub(crate) fn administer<T>(
    config: &KafkaConfig,
    request: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> T,
) -> T {
    let mut client = rdkafka::ClientConfig::new();
    let admin = client.set("bootstrap.servers", &config.brokers).create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(DEADLINE)).request_timeout(Some(DEADLINE));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(request(&admin, &options))
}
