//! One attempt at a transaction: its deadline, its failures, and the call that stores the checkpoint number.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{Producer, ThreadedProducer},
    types::RDKafkaErrorCode,
};

use super::{
    context::{Failures, Quiet},
    error::KafkaSinkError,
};

/// Longest duration of one call into the client; calls are repeated, so that the deadline is kept.
pub(super) const SLICE: Duration = Duration::from_secs(5);

/// Failure of a transaction, classified by the action that it requires.
pub(super) enum Failure {
    /// Abort; a retry may succeed.
    Abort { last: String, code: Option<RDKafkaErrorCode> },
    /// Abort; a retry would fail in the same way.
    Never(KafkaSinkError),
    /// The outcome is unknown, or the client can't continue.
    Doubt(KafkaSinkError),
}

/// Time limit of a sequence of calls.
pub(super) struct Deadline {
    end: Instant,
    within: Duration,
}

impl Deadline {
    pub(super) fn new(within: Duration) -> Self {
        Deadline { end: Instant::now() + within, within }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(super) fn unavailable(&self, what: &'static str, last: String) -> KafkaSinkError {
        KafkaSinkError::Unavailable { what, within: self.within, last }
    }
}

/// Adds the checkpoint number to the transaction, as the offset of partition 0.
pub(super) fn send_number(
    producer: &ThreadedProducer<Failures>,
    marker: &BaseConsumer<Quiet>,
    topic: &str,
    number: u64,
) -> Result<(), KafkaError> {
    let offset = i64::try_from(number).unwrap_or(i64::MAX);
    let mut offsets = TopicPartitionList::with_capacity(1);
    offsets.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    let group = marker.group_metadata().ok_or(KafkaError::Canceled)?;
    producer.send_offsets_to_transaction(&offsets, &group, SLICE)
}
