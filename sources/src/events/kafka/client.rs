//! The Kafka client as this source uses it: logging, commits, and queries for offsets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{
    ClientContext, Offset as ClientOffset, TopicPartitionList,
    config::{ClientConfig, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode},
    message::Message,
};

use super::KafkaError;

/// Consumer client of this source.
pub(super) type Client = BaseConsumer<Context>;

/// Callbacks of the client.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Whether a commit is in progress.
    pub(super) committing: Arc<AtomicBool>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // During an outage the client logs a line per attempt; the source logs the outage once itself.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    /// Errors are also returned by `poll`.
    fn error(&self, _: ClientError, _: &str) {}
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.committing.store(false, Ordering::Release);
        if let Err(error) = result {
            tracing::warn!(
                "offsets could not be committed to the consumer group, lag tools show old ones: {error}"
            );
        }
    }
}

/// Creates a client. Does not wait for the brokers.
///
/// # Errors
/// If an option is invalid.
pub(super) fn create(config: &ClientConfig, context: Context) -> Result<Client, KafkaError> {
    config.create_with_context(context).map_err(KafkaError::client)
}

/// Ends a client that is replaced. Closing it may wait for a broker, so a thread of its own does that.
pub(super) fn abandon(client: Client) {
    // Without a thread the client is closed here, by dropping the closure.
    let _ = thread::Builder::new().name("kafka-close".to_owned()).spawn(move || drop(client));
}

/// Queries a broker for the topic's number of partitions. Blocks for `wait` at most.
pub(super) fn count_partitions(client: &Client, topic: &str, wait: Duration) -> Result<u32, CountError> {
    let metadata = client.fetch_metadata(Some(topic), wait).map_err(CountError::Unreachable)?;
    let topic = metadata.topics().iter().find(|t| t.name() == topic).ok_or(CountError::NoTopic)?;
    if let Some(error) = topic.error() {
        let code = RDKafkaErrorCode::from(error);
        return Err(match code {
            RDKafkaErrorCode::UnknownTopicOrPartition => CountError::NoTopic,
            code => CountError::Refused(code.to_string()),
        });
    }
    match u32::try_from(topic.partitions().len()) {
        Ok(0) | Err(_) => Err(CountError::NoTopic),
        Ok(count) => Ok(count),
    }
}

/// Error of counting partitions.
#[derive(Debug)]
pub(super) enum CountError {
    Unreachable(ClientError),
    NoTopic,
    Refused(String),
}

impl CountError {
    pub(super) fn at(self, brokers: &str, topic: &str) -> KafkaError {
        match self {
            CountError::Unreachable(error) => {
                KafkaError::Unreachable { brokers: brokers.to_owned(), reason: error.to_string() }
            }
            CountError::NoTopic => {
                KafkaError::NoTopic { topic: topic.to_owned(), brokers: brokers.to_owned() }
            }
            CountError::Refused(reason) => KafkaError::Refused { topic: topic.to_owned(), reason },
        }
    }
}

/// Queries the leaders of all these partitions at once for the oldest offset (`Beginning`), the offset behind
/// the newest readable record (`End`), or the first offset from a time on (`Offset`, unix ms; partitions
/// without one are left out). Blocks for `wait` at most per request.
pub(super) fn offsets(
    client: &Client,
    topic: &str,
    partitions: &[PartitionId],
    what: ClientOffset,
    wait: Duration,
) -> KafkaResult<Positions> {
    if partitions.is_empty() {
        return Ok(Positions::default());
    }
    let list = assignment(topic, partitions.iter().map(|partition| (*partition, what)))?;
    let answer = client.offsets_for_times(list, wait)?;
    let mut offsets = Positions::default();
    for element in answer.elements() {
        element.error()?;
        if let (Ok(partition), ClientOffset::Offset(offset)) =
            (u32::try_from(element.partition()), element.offset())
        {
            offsets.insert(PartitionId(partition), Offset(u64::try_from(offset).unwrap_or_default()));
        }
    }
    Ok(offsets)
}

/// List of the topic's partitions with an offset for each.
pub(super) fn assignment(
    topic: &str,
    offsets: impl IntoIterator<Item = (PartitionId, ClientOffset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, native_partition(partition), offset)?;
    }
    Ok(list)
}

/// An offset in the client's type.
pub(super) fn exact_offset(position: Offset) -> ClientOffset {
    ClientOffset::Offset(i64::try_from(position.0).unwrap_or(i64::MAX))
}

/// A partition's number in the client's type.
fn native_partition(partition: PartitionId) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// Partition of a message.
pub(super) fn partition_of(message: &impl Message) -> PartitionId {
    PartitionId(u32::try_from(message.partition()).unwrap_or_default())
}
