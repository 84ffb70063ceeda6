//! What keeps events from being read from Kafka, and what to do about it.

use operators::model::ids::{Offset, PartitionId};
use rdkafka::error::KafkaError as ClientError;

/// Why the source can't be opened, or has ended. An outage is none of these: the source waits for its end.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A setting that can't be used.
    #[error("kafka: `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: String,
        /// Why, and what would be right.
        reason: String,
    },
    /// No broker could be asked.
    #[error(
        "no Kafka broker at {brokers} gives an answer: {reason}; check the addresses, that the brokers run, and that `options` fit them (TLS, SASL)"
    )]
    Unreachable {
        /// Those that were tried.
        brokers: String,
        /// What the client says.
        reason: String,
    },
    /// There is no such topic.
    #[error(
        "topic `{topic}` does not exist at {brokers}; create it (`kafka-topics.sh --create --topic {topic} --partitions N ..`) or name another one in `topic`"
    )]
    NoTopic {
        /// The topic.
        topic: String,
        /// Where it was looked for.
        brokers: String,
    },
    /// The topic is there, but can't be read.
    #[error(
        "topic `{topic}` can't be read: {reason}; check that the user of `options` may describe and read it, and that its partitions have leaders"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// What the brokers say.
        reason: String,
    },
    /// A position was given for a partition that does not exist.
    #[error(
        "there is a position ({position}) for partition {partition}, but topic `{topic}` has only partitions 0 to {last}: it was made anew; start without the old positions, or name the topic they belong to"
    )]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The position.
        position: Offset,
        /// The last partition there is.
        last: PartitionId,
    },
    /// The position lies before the oldest record or behind the newest.
    #[error(
        "topic `{topic}` partition {partition}: position {position} is lost, there are only records from {earliest} to before {end}: {}; set `on_lost` to `earliest` to go on with the oldest record there is, or start without the old positions",
        if position < earliest { "the topic's retention has removed those between" } else { "the topic was made anew or cut off" }
    )]
    Lost {
        /// The topic.
        topic: String,
        /// The partition.
        partition: PartitionId,
        /// The first offset not read.
        position: Offset,
        /// The first offset there is.
        earliest: Offset,
        /// The offset behind the last one there is.
        end: Offset,
    },
    /// The client can't go on.
    #[error(
        "reading topic `{topic}` has ended for good: {reason}; start again, and report it if it happens again"
    )]
    Fatal {
        /// The topic.
        topic: String,
        /// What the client says.
        reason: String,
    },
}

impl KafkaError {
    /// A client that could not be made; never shows an option's value.
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
