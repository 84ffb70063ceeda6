//! Messages of one Kafka partition, collected into a batch.

use operators::model::{
    ids::{Offset, PartitionId},
    raw::{RawBatch, RawRecord, Refused},
};
use rdkafka::message::Message;

use super::client::partition_of;
use crate::events::{
    MAX_BATCH_BYTES,
    lines::{position, sample},
    wall_us,
};

/// A batch under construction.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    batch: RawBatch,
    /// The first offset not consumed; a tombstone advances it as a record does.
    next: Offset,
    taken: usize,
    max_record_bytes: usize,
}

impl BatchBuilder {
    /// Starts a batch with a message.
    pub(super) fn begin(message: &impl Message, max_record_bytes: usize) -> Self {
        let batch = RawBatch { partition: partition_of(message), ..RawBatch::default() };
        let mut builder = BatchBuilder { batch, next: Offset(0), taken: 0, max_record_bytes };
        builder.take(message);
        builder
    }

    /// Adds a further message of the same partition.
    pub(super) fn take(&mut self, message: &impl Message) {
        let offset = Offset(u64::try_from(message.offset()).unwrap_or_default());
        self.next = offset.next();
        self.taken += 1;
        let Some(payload) = message.payload() else { return };
        if payload.len() > self.max_record_bytes {
            self.batch.refused.push(self.refuse(offset, payload));
            return;
        }
        let start = position(&self.batch);
        self.batch.bytes.extend_from_slice(payload);
        let time = message.timestamp().to_millis();
        self.batch.records.push(RawRecord { offset, start, end: position(&self.batch), time });
    }

    fn refuse(&self, offset: Offset, payload: &[u8]) -> Refused {
        Refused {
            partition: self.batch.partition,
            offset,
            reason: format!(
                "the record has {} bytes, more than the {} of `max_record_bytes`; shorten it where it is produced, or raise the limit",
                payload.len(),
                self.max_record_bytes
            ),
            sample: sample(payload),
        }
    }

    pub(super) fn partition(&self) -> PartitionId {
        self.batch.partition
    }

    /// The first offset not consumed.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// Whether only tombstones were added.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.records.is_empty() && self.batch.refused.is_empty()
    }

    /// Whether it has `max_records` messages, tombstones included, or enough bytes.
    pub(super) fn is_full(&self, max_records: usize) -> bool {
        self.taken >= max_records || self.batch.bytes.len() >= MAX_BATCH_BYTES
    }

    /// The finished batch; `None` if only tombstones were added.
    pub(super) fn finish(mut self) -> Option<RawBatch> {
        self.batch.read_at = wall_us();
        (!self.is_empty()).then_some(self.batch)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{Timestamp, message::OwnedMessage};

    use super::*;

    fn message(offset: i64, payload: Option<&[u8]>) -> OwnedMessage {
        let time = Timestamp::CreateTime(1000 + offset);
        OwnedMessage::new(payload.map(<[u8]>::to_vec), None, "t".to_owned(), time, 3, offset, None)
    }

    #[test]
    fn records_keep_offset_and_time_and_tombstones_only_advance_the_position() {
        let mut gathering = BatchBuilder::begin(&message(5, None), 8);
        assert!(gathering.is_empty());
        gathering.take(&message(6, Some(b"one")));
        gathering.take(&message(9, Some(b"far too long")));
        gathering.take(&message(10, Some(b"")));
        gathering.take(&message(12, None));
        assert_eq!((gathering.partition(), gathering.next()), (PartitionId(3), Offset(13)));
        let batch = gathering.finish().unwrap();
        let records: Vec<_> = batch.records.iter().map(|r| (r.offset.0, r.time, batch.record(r))).collect();
        assert_eq!(records, [(6, Some(1006), b"one".as_slice()), (10, Some(1010), b"")]);
        assert_eq!((batch.refused[0].offset.0, batch.refused[0].sample.as_str()), (9, "far too long"));
        assert!(batch.refused[0].reason.contains("12 bytes"), "{}", batch.refused[0].reason);
    }

    #[test]
    fn a_batch_is_full_by_records_tombstones_or_bytes() {
        let mut gathering = BatchBuilder::begin(&message(0, None), MAX_BATCH_BYTES);
        (1..1023).for_each(|offset| gathering.take(&message(offset, None)));
        assert!(!gathering.is_full(1024) && gathering.is_full(1023));
        gathering.take(&message(1023, None));
        assert!(gathering.is_full(1024) && gathering.finish().is_none());
        let large = BatchBuilder::begin(&message(0, Some(&[b'x'; MAX_BATCH_BYTES])), MAX_BATCH_BYTES);
        assert!(large.is_full(1024));
    }
}
