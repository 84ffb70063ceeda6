//! The client as this source uses it: its log, its commits, and questions about offsets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{
    ClientContext, Offset as ClientOffset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode},
    message::Message,
};

use super::KafkaError;

/// A consumer of this source.
pub(super) type Client = BaseConsumer<Context>;

/// What the client calls back.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// A commit is under way.
    pub(super) committing: Arc<AtomicBool>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // An outage fills this log with a line for every attempt; what matters of it is said once, elsewhere.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    /// Errors come from `poll` too.
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

/// The number of partitions, asked of a broker.
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

/// Why partitions can't be counted.
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

/// Asks the leaders of all these partitions at once for the oldest offset (`Beginning`), the one behind the newest that
/// may be read (`End`), or the first one of a time (`Offset`, unix ms). ClientOffset there is none of that time, it is left out.
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

/// A list of the topic's partitions with an offset each.
pub(super) fn assignment(
    topic: &str,
    offsets: impl IntoIterator<Item = (PartitionId, ClientOffset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, number(partition), offset)?;
    }
    Ok(list)
}

/// A position as the client writes it.
pub(super) fn exactly(position: Offset) -> ClientOffset {
    ClientOffset::Offset(i64::try_from(position.0).unwrap_or(i64::MAX))
}

/// A partition as the client writes it.
fn number(partition: PartitionId) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// The partition a message lies in.
pub(super) fn partition_of(message: &impl Message) -> PartitionId {
    PartitionId(u32::try_from(message.partition()).unwrap_or_default())
}
