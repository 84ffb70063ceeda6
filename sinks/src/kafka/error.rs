//! Errors of the Kafka sinks.

use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;

use crate::{transactional_sink::TransactionError, trigger::Trigger, trigger_sink::TriggerSinkError};

/// Error of a Kafka sink. No message contains a value of `options`.
#[derive(Debug, thiserror::Error)]
pub enum KafkaSinkError {
    /// A field of the configuration is invalid.
    #[error("kafka sink: {field} {reason}")]
    Config {
        /// The field.
        field: String,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// The client can't be created.
    #[error("kafka sink: the client can't be made: {0}; look at brokers and options")]
    Client(String),
    /// A trigger is larger than the client's or the topic's limit for a record; it was not sent.
    #[error(
        "kafka sink: trigger {} has {} bytes, more than a record may have; make the rule's action smaller, or raise \
         message.max.bytes in options and on the brokers, and the topic's max.message.bytes",
        trigger.id,
        trigger.line.len()
    )]
    TooLarge {
        /// The trigger.
        trigger: Box<Trigger>,
    },
    /// The brokers refuse a record permanently.
    #[error("kafka sink: topic {topic} takes no record: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// The fault, and what to do.
        reason: String,
    },
    /// Another process publishes under the same transactional id.
    #[error(
        "kafka sink: another process has opened the transactional id {transactional_id:?}, or a transaction took longer \
         than transaction.timeout.ms; this process has to stop publishing, and to open it again only if it is still the owner"
    )]
    Fenced {
        /// The transactional id.
        transactional_id: String,
    },
    /// The brokers could not be reached, or did not complete a call, within the time limit.
    #[error(
        "kafka sink: {what} did not succeed within {within:?}: {last}; see that the brokers are up, then open the \
         transactions again and compare last_published"
    )]
    Unavailable {
        /// The call.
        what: &'static str,
        /// The time limit.
        within: Duration,
        /// The last error.
        last: String,
    },
    /// The number is not above the last published one.
    #[error(
        "kafka sink: {number} is not above {last}, the last number published under {transactional_id:?}; if the \
         checkpoints were begun anew, choose a new transactional id"
    )]
    Behind {
        /// The number to be published.
        number: u64,
        /// The last published number.
        last: u64,
        /// The transactional id.
        transactional_id: String,
    },
    /// The client can't continue.
    #[error("kafka sink: the client can't continue: {0}; open it again")]
    Fatal(String),
    /// An earlier call failed, and the outcome of its transaction is unknown.
    #[error("kafka sink: an earlier publish failed; open the transactions again and compare last_published")]
    Reopen,
}

impl From<KafkaSinkError> for TriggerSinkError {
    fn from(error: KafkaSinkError) -> Self {
        TriggerSinkError::failed(error)
    }
}

impl From<KafkaSinkError> for TransactionError {
    fn from(error: KafkaSinkError) -> Self {
        let cause = Box::new(error);
        match &*cause {
            KafkaSinkError::TooLarge { trigger } => {
                TransactionError::TooLarge { trigger: trigger.clone(), cause }
            }
            KafkaSinkError::Fenced { .. } => TransactionError::Fenced(cause),
            KafkaSinkError::Unavailable { .. } | KafkaSinkError::Fatal(_) | KafkaSinkError::Reopen => {
                TransactionError::InDoubt(cause)
            }
            KafkaSinkError::Config { .. }
            | KafkaSinkError::Client(_)
            | KafkaSinkError::Refused { .. }
            | KafkaSinkError::Behind { .. } => TransactionError::Refused(cause),
        }
    }
}

/// The remedy for an error that no retry resolves; `None` for errors that may be transient.
pub(super) fn permanent(code: RDKafkaErrorCode) -> Option<&'static str> {
    Some(match code {
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => "it does not exist; create it",
        RDKafkaErrorCode::InvalidTopic => "its name is not allowed; choose another",
        RDKafkaErrorCode::TopicAuthorizationFailed => "writing is not allowed; give this user WRITE on it",
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            "the consumer group named like the transactional id is not allowed; give this user READ on it"
        }
        RDKafkaErrorCode::MessageSizeTooLarge => {
            "a trigger is too large; raise the topic's max.message.bytes, or make the rule's action smaller"
        }
        RDKafkaErrorCode::InvalidRecord => {
            "the broker finds a record invalid; see that the topic is not compacted"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_transactions_tell_what_is_transient_from_what_is_final() {
        let kind = |error: KafkaSinkError| {
            let text = error.to_string();
            let error = TransactionError::from(error);
            assert_eq!(error.to_string(), text);
            match error {
                TransactionError::TooLarge { trigger, .. } => trigger.id,
                TransactionError::InDoubt(_) => "in doubt".to_owned(),
                TransactionError::Fenced(_) => "fenced".to_owned(),
                TransactionError::Refused(_) => "refused".to_owned(),
            }
        };
        let trigger = Trigger { id: "t".to_owned(), ..Trigger::default() };
        assert_eq!(kind(KafkaSinkError::TooLarge { trigger: Box::new(trigger) }), "t");
        assert_eq!(kind(KafkaSinkError::Fenced { transactional_id: String::new() }), "fenced");
        assert_eq!(kind(KafkaSinkError::Reopen), "in doubt");
        let late = KafkaSinkError::Unavailable { what: "", within: Duration::ZERO, last: String::new() };
        assert_eq!(kind(late), "in doubt");
        let refused = KafkaSinkError::Refused { topic: String::new(), reason: String::new() };
        assert_eq!(kind(refused), "refused");
    }
}
