//! Production of raw events into Kafka, as by the producers of an application.
//!
//! - `config`: topic, key, timestamps, partitioning
//! - `fields`: extraction of the fields that determine the record
//!
//! Records are keyed by a field of the event, and a key is assigned to the partition that the Java client
//! would choose (murmur2). Order within a partition is that of sending, and nothing is sent twice. A line
//! that is not a JSON object is sent unchanged, without a key: consumers of the topic have to accept such
//! lines.
//!
//! **Limits**: the queue is bounded by the client's `queue.buffering.max.*`; when it is full,
//! [`Producer::send_line`] blocks.

mod config;
mod error;
mod fields;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use config::{PartitionBy, ProduceConfig, Timestamps};
pub use error::ProduceError;
use rdkafka::{
    ClientContext, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

use self::fields::Wanted;

/// Longest wait for the brokers when the producer is opened.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for room in the queue between two checks for a failure.
const ROOM: Duration = Duration::from_millis(50);
/// Number of lines between two polls for acknowledgements.
const POLL_EVERY: u64 = 256;

/// Counts of a producer, in lines unless noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// Lines queued.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, lines without the key field, broken ones included.
    pub without_key: u64,
    /// Of these, lines that are not JSON objects.
    pub broken: u64,
    /// Of these, lines without the number that chooses the partition.
    pub without_partition: u64,
    /// Of these, lines without the event time that was to be the timestamp.
    pub without_time: u64,
    /// Lines that a broker has acknowledged.
    pub delivered: u64,
    /// Lines given up.
    pub failed: u64,
}

/// Counts of the brokers' acknowledgements and refusals.
#[derive(Debug, Default)]
struct Deliveries {
    delivered: AtomicU64,
    failed: AtomicU64,
    by_partition: Mutex<BTreeMap<i32, u64>>,
    first_failure: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("{error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (error, _) = match result {
            Ok(message) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                let mut by_partition = self.by_partition.lock().unwrap_or_else(PoisonError::into_inner);
                *by_partition.entry(message.partition()).or_default() += 1;
                return;
            }
            Err(failed) => failed,
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| error.to_string());
    }
}

/// Producer of lines to one topic.
pub struct Producer {
    config: ProduceConfig,
    client: BaseProducer<Deliveries>,
    /// The key, the event's time, and the field that chooses the partition, in this order.
    wanted: Vec<Wanted>,
    partitions: u64,
    produced: Produced,
}

impl Producer {
    /// Connects and opens the topic; blocks for up to 10 s while the brokers do not answer.
    ///
    /// # Errors
    /// If a setting is invalid, no broker answers or the topic does not exist.
    pub fn open(config: ProduceConfig) -> Result<Self, ProduceError> {
        config.check()?;
        let client: BaseProducer<Deliveries> =
            config.client().create_with_context(Deliveries::default()).map_err(refused)?;
        let partitions = count_partitions(&client, &config)?;
        let by = config.partition_by.as_ref().map(|by| Wanted::named(&by.field));
        let wanted = [Wanted::named(&config.key), Wanted::event_time()].into_iter().chain(by).collect();
        Ok(Producer { config, client, wanted, partitions, produced: Produced::default() })
    }

    /// Sends one line without its line break; blocks while the queue is full.
    ///
    /// # Errors
    /// If the line can't be queued, or earlier lines have been given up.
    pub fn send_line(&mut self, line: &[u8]) -> Result<(), ProduceError> {
        let found = fields::read(line, &self.wanted);
        let value = |at: usize| found.as_ref().and_then(|found| found.get(at)?.as_deref());
        let mut record = BaseRecord::<str, [u8]>::to(&self.config.topic).payload(line);
        self.produced.lines += 1;
        self.produced.bytes += line.len() as u64;
        self.produced.broken += u64::from(found.is_none());
        match value(0) {
            Some(key) => record = record.key(key),
            None => self.produced.without_key += 1,
        }
        if self.config.timestamps == Timestamps::Event {
            match value(1).and_then(|time| time.parse().ok()) {
                Some(time) => record = record.timestamp(time),
                None => self.produced.without_time += 1,
            }
        }
        if let Some(by) = &self.config.partition_by {
            match value(2).and_then(|number| number.parse::<u64>().ok()) {
                Some(number) => record = record.partition(self.place(number % by.modulo)),
                None => self.produced.without_partition += 1,
            }
        }
        if self.produced.lines.is_multiple_of(POLL_EVERY) {
            self.client.poll(Duration::ZERO);
        }
        self.enqueue(record)
    }

    fn place(&self, number: u64) -> i32 {
        i32::try_from(number % self.partitions).unwrap_or_default()
    }

    fn enqueue(&self, mut record: BaseRecord<'_, str, [u8]>) -> Result<(), ProduceError> {
        loop {
            self.check_deliveries()?;
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.client.poll(ROOM);
                    record = again;
                }
                Err((error, _)) => {
                    return Err(ProduceError::Line {
                        line: self.produced.lines,
                        topic: self.config.topic.clone(),
                        reason: error.to_string(),
                    });
                }
            }
        }
    }

    /// Sends what is queued and blocks until brokers have acknowledged it, for `wait` at most.
    ///
    /// # Errors
    /// If a line was given up, or some are still unacknowledged after `wait`.
    pub fn flush(&mut self, wait: Duration) -> Result<Produced, ProduceError> {
        let result = self.client.flush(wait);
        self.check_deliveries()?;
        result.map_err(|error| self.undelivered(error.to_string()))?;
        Ok(self.produced())
    }

    /// Counts so far.
    pub fn produced(&self) -> Produced {
        let deliveries = self.client.context();
        Produced {
            delivered: deliveries.delivered.load(Ordering::Relaxed),
            failed: deliveries.failed.load(Ordering::Relaxed),
            ..self.produced
        }
    }

    /// Lines that a broker has acknowledged, by partition.
    pub fn delivered_by_partition(&self) -> BTreeMap<i32, u64> {
        let deliveries = self.client.context();
        deliveries.by_partition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_deliveries(&self) -> Result<(), ProduceError> {
        let deliveries = self.client.context();
        if deliveries.failed.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let first = deliveries.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(self.undelivered(first.unwrap_or_default()))
    }

    fn undelivered(&self, reason: String) -> ProduceError {
        let waiting = u64::try_from(self.client.in_flight_count()).unwrap_or_default();
        let failed = self.produced().failed;
        ProduceError::Undelivered { topic: self.config.topic.clone(), failed, waiting, reason }
    }
}

fn count_partitions(client: &BaseProducer<Deliveries>, config: &ProduceConfig) -> Result<u64, ProduceError> {
    let unreachable = |error: KafkaError| ProduceError::Unreachable {
        brokers: config.brokers.clone(),
        reason: error.to_string(),
    };
    let unusable = |reason: Cow<'_, str>| ProduceError::Topic {
        topic: config.topic.clone(),
        reason: reason.into_owned(),
    };
    let metadata = client.client().fetch_metadata(Some(&config.topic), ANSWER).map_err(unreachable)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == config.topic);
    let topic = topic.ok_or_else(|| unusable("it does not exist".into()))?;
    if let Some(error) = topic.error() {
        return Err(unusable(RDKafkaErrorCode::from(error).to_string().into()));
    }
    match topic.partitions().len() as u64 {
        0 => Err(unusable("it has no partitions".into())),
        count => Ok(count),
    }
}

/// Error for a refused option, without the option's value.
fn refused(error: KafkaError) -> ProduceError {
    let (setting, reason) = match error {
        KafkaError::ClientConfig(_, reason, name, _) => (format!("options.{name}"), reason),
        other => ("options".to_owned(), other.to_string()),
    };
    let reason = format!("is refused by the client: {reason}; write what librdkafka's CONFIGURATION.md has");
    ProduceError::Setting { setting, reason }
}

#[cfg(test)]
mod tests;
