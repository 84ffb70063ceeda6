//! Errors of reading from Kafka, with remedies.

use operators::model::ids::{Offset, PartitionId};
use rdkafka::error::KafkaError as ClientError;

/// Why the source can't be opened, or has ended. An outage is no error: the source waits until it is over.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A setting is invalid.
    #[error("kafka: `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: String,
        /// Fault and remedy.
        reason: String,
    },
    /// No broker answered.
    #[error(
        "no Kafka broker at {brokers} answers: {reason}; check the addresses, that the brokers run, and that `options` fit them (TLS, SASL)"
    )]
    Unreachable {
        /// The brokers tried.
        brokers: String,
        /// Error of the client.
        reason: String,
    },
    /// The topic does not exist.
    #[error(
        "topic `{topic}` does not exist at {brokers}; create it (`kafka-topics.sh --create --topic {topic} --partitions N ..`) or name another one in `topic`"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// The brokers asked.
        brokers: String,
    },
    /// The topic exists, but can't be read.
    #[error(
        "topic `{topic}` can't be read: {reason}; check that the user of `options` may describe and read it, and that its partitions have leaders"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// Error of the brokers.
        reason: String,
    },
    /// There is a position for a partition that does not exist.
    #[error(
        "topic `{topic}` partition {partition}: position {position} is lost, there are only partitions 0 to {last}: the topic was created again; set `on_lost` to `earliest` to leave the partition out, start without the old positions, or name the topic they belong to"
    )]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The position.
        position: Offset,
        /// The topic's last partition.
        last: PartitionId,
    },
    /// The position lies before the oldest record or behind the newest.
    #[error(
        "topic `{topic}` partition {partition}: position {position} is lost, there are only records from {earliest} to before {end}: {}; set `on_lost` to `earliest` to continue with the oldest record there is, or start without the old positions",
        if position < earliest { "the topic's retention has removed those between" } else { "the topic was created again or truncated" }
    )]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The first offset not read.
        position: Offset,
        /// The oldest offset in the partition.
        earliest: Offset,
        /// The offset behind the newest record.
        end: Offset,
    },
    /// The client can't continue.
    #[error(
        "reading topic `{topic}` has ended for good: {reason}; start again, and report it if it happens again"
    )]
    Fatal {
        /// The topic.
        topic: String,
        /// Error of the client.
        reason: String,
    },
}

impl KafkaError {
    /// Error of creating a client; never shows an option's value.
    pub(super) fn client(error: ClientError) -> Self {
        let (setting, reason) = match error {
            ClientError::ClientConfig(_, reason, name, _) => {
                (format!("options.{name}"), format!("is refused by the client: {reason}"))
            }
            ClientError::ClientCreation(reason) => {
                ("options".to_owned(), format!("are refused by the client: {reason}"))
            }
            other => ("options".to_owned(), format!("are refused by the client: {other}")),
        };
        KafkaError::Setting {
            setting,
            reason: format!("{reason}; write what librdkafka's CONFIGURATION.md has"),
        }
    }
}
