//! One attempt at a transaction: the time it has, how it fails, and the call that stores the number.

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

/// Every call into the client is bounded by this and repeated, so that the deadline is kept.
pub(super) const SLICE: Duration = Duration::from_secs(5);

/// Why a transaction was not committed.
pub(super) enum Failure {
    /// It has to be aborted, and may be tried again.
    Abort { last: String, code: Option<RDKafkaErrorCode> },
    /// It has to be aborted, and would fail again.
    Never(KafkaSinkError),
    /// What became of it is not known, or the client is at its end.
    Doubt(KafkaSinkError),
}

/// A bounded time for a number of calls.
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

/// Offers the number to the transaction as the offset of partition 0.
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
