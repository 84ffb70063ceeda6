//! Errors of the producer.

/// Error of the producer.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// A setting is invalid.
    #[error("produce: `{setting}` {reason}")]
    Setting {
        /// Its name.
        setting: String,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// No broker answers.
    #[error(
        "no Kafka broker at {brokers} answers: {reason}; check the addresses, that the brokers run, and that `options` fit them (TLS, SASL)"
    )]
    Unreachable {
        /// The brokers tried.
        brokers: String,
        /// Error of the client.
        reason: String,
    },
    /// The topic does not exist or can't be written.
    #[error(
        "topic `{topic}` can't be written: {reason}; create it, name another one in `topic`, or ask for the permission"
    )]
    Topic {
        /// The topic.
        topic: String,
        /// Error of the brokers.
        reason: String,
    },
    /// A line can't be queued, for example because it is larger than allowed.
    #[error(
        "line {line} can't be sent to `{topic}`: {reason}; shorten it, or raise `message.max.bytes` in `options` and in the topic"
    )]
    Line {
        /// Its number, counted from 1.
        line: u64,
        /// The topic.
        topic: String,
        /// Error of the client.
        reason: String,
    },
    /// Lines that were queued did not arrive.
    #[error(
        "{failed} lines did not reach `{topic}`, {waiting} are still on their way: {reason}; see that the brokers run, then send them again"
    )]
    Undelivered {
        /// The topic.
        topic: String,
        /// Number of lines given up.
        failed: u64,
        /// Number of lines neither given up nor acknowledged.
        waiting: u64,
        /// Error of the first line given up.
        reason: String,
    },
}
