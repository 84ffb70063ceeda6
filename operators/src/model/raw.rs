//! Records as sources read them, before anything is decoded.

use super::ids::{Offset, PartitionId};

/// A run of records of one partition, in its order.
#[derive(Clone, Debug, Default)]
pub struct RawBatch {
    /// The partition all records lie in.
    pub partition: PartitionId,
    /// The records' bytes, back to back.
    pub bytes: Vec<u8>,
    /// Where each record lies in `bytes`.
    pub records: Vec<RawRecord>,
    /// Records the source itself had to refuse (too long, not text).
    pub refused: Vec<Refused>,
    /// Wall clock at which the batch was read first, unix µs: what clamps its times, and what latency is measured from.
    pub read_at: u64,
}

/// One record in a [`RawBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Position in the partition.
    pub offset: Offset,
    /// First byte in the batch.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// The record's own time as the log keeps it (Kafka), unix ms; `None` where the event's own time stands
    /// for it.
    pub time: Option<i64>,
}

/// A record that could not be taken as an event.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Refused {
    /// Partition of the record.
    pub partition: PartitionId,
    /// Position in the partition.
    pub offset: Offset,
    /// Why, and what would be right.
    pub reason: String,
    /// The beginning of the record, at most 512 bytes, made valid text.
    pub sample: String,
}

impl RawBatch {
    /// The offset behind all records of the batch; `None` if it has none.
    pub fn next_offset(&self) -> Option<Offset> {
        let last = self.records.last().map(|r| r.offset);
        last.max(self.refused.last().map(|r| r.offset)).map(Offset::next)
    }

    /// All bytes as text, checked at once; `None` if they are not UTF-8, as a whole or in some record.
    pub fn text(&self) -> Option<&str> {
        simdutf8::basic::from_utf8(&self.bytes).ok()
    }

    /// The bytes of one record.
    pub fn record(&self, record: &RawRecord) -> &[u8] {
        &self.bytes[record.start as usize..record.end as usize]
    }
}
