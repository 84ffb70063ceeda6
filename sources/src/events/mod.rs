//! Sources of events: raw records in batches, each batch from one partition, in its order.
//!
//! Data flow: a source is read by a thread of its own ([`EventSource::next`]), its batches go to the worker
//! that owns the source, and positions of durable checkpoints come back ([`EventSource::commit`]). Nothing is
//! decoded here: a record is the bytes of one JSON object, valid or not.
//!
//! **Invariants**: a batch is never empty; offsets ascend within a partition, but for `sorted`; what was returned before is
//! never returned again, unless the source is opened anew at an earlier position.
//!
//! Limits: a batch is small (1,024 records or about 256 KiB), so that its first record does not wait for its
//! last.
//!
//! - `file`: a JSONL file
//! - `sorted`: a JSONL file in the order of its events' times
//! - `stdin`: standard input, or any stream
//! - `lines`: splitting into lines, shared by both
//! - `kafka`: a Kafka topic
//! - `generator`: a generated load

pub mod file;
pub mod generator;
pub mod kafka;
mod lines;
mod sorted;
pub mod stdin;

use std::{
    iter::Sum,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use file::FileSource;
pub use generator::{GeneratorConfig, GeneratorSource, Start};
pub use kafka::{KafkaConfig, KafkaError, KafkaSource};
pub use lines::LineConfig;
use operators::model::{
    ids::{PartitionId, Positions},
    raw::RawBatch,
};
use serde::{Deserialize, Serialize};
pub use sorted::SortedSource;
pub use stdin::StreamSource;

use crate::SourceError;

/// A source of events. It is owned and read by one thread.
///
/// ```
/// use std::time::Duration;
///
/// use strateye_sources::events::{EventSource, LineConfig, Next, StreamSource};
///
/// let input: &[u8] = b"{\"event_id\": \"search\", \"event_time\": 1}\n";
/// let mut source = StreamSource::new("example", input, LineConfig::default())?;
/// if let Next::Batch(batch) = source.next(Duration::from_secs(60))? {
///     assert_eq!(batch.records.len(), 1);
/// }
/// # Ok::<(), strateye_sources::SourceError>(())
/// ```
pub trait EventSource: Send {
    /// Partitions of this source, each with the first offset not yet returned; [`Next::Opened`] adds further
    /// ones.
    fn positions(&self) -> Positions;

    /// Partitions of this source.
    fn partitions(&self) -> Vec<PartitionId> {
        self.positions().partitions().collect()
    }

    /// Returns the next message. Blocks for about `wait` at most; a `wait` of zero does not block.
    ///
    /// After `End` every further call returns `End`; after an error the source has ended.
    ///
    /// # Errors
    /// If the underlying system can no longer be read; never because of a record's content.
    fn next(&mut self, wait: Duration) -> Result<Next, SourceError>;

    /// Reports that a checkpoint with these positions (per partition, the first offset not in it) is durable.
    /// A source with a consumer group commits them as its offsets; others ignore it.
    fn commit(&mut self, positions: &Positions) {
        let _ = positions;
    }

    /// Why nothing can be read at present, although the source has not ended: what people have to do.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Progress of reading.
    fn progress(&self) -> ReadProgress;
}

/// Progress of reading one or several sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProgress {
    /// Bytes read so far.
    pub bytes: u64,
    /// Bytes in total; `None` if unknown. Of several sources, the sum of those that are known.
    pub total: Option<u64>,
}

impl Sum for ReadProgress {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(ReadProgress::default(), |sum, one| ReadProgress {
            bytes: sum.bytes + one.bytes,
            total: sum.total.into_iter().chain(one.total).reduce(|a, b| a + b),
        })
    }
}

/// Message of a source to its reader.
#[derive(Clone, Debug)]
pub enum Next {
    /// Records, among them refused ones; never empty.
    Batch(RawBatch),
    /// Nothing has arrived within the wait.
    Idle,
    /// Nothing has arrived, and at that instant these partitions held nothing more: their ingest clocks may
    /// advance.
    CaughtUp {
        /// The partitions.
        partitions: Vec<PartitionId>,
        /// Instant at which the ends were requested, unix ms by the wall clock.
        at: i64,
    },
    /// These partitions are read from now on too, each from this offset.
    Opened(Positions),
    /// The source has ended.
    End,
}

/// Default of the most records in a batch.
pub const MAX_RECORDS: usize = 1024;
/// Default of the bytes from which on a batch is full; one record may exceed it.
pub const MAX_BATCH_BYTES: usize = 256 << 10;
/// Default of the bytes of the longest record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Wall clock, unix ms.
fn wall_ms() -> i64 {
    (wall_us() / 1000) as i64
}

/// Wall clock, unix µs.
fn wall_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_of_several_sources_has_the_totals_that_are_known() {
        let sum = |all: &[(u64, Option<u64>)]| -> ReadProgress {
            all.iter().map(|(bytes, total)| ReadProgress { bytes: *bytes, total: *total }).sum()
        };
        assert_eq!(
            sum(&[(1, Some(8)), (2, None), (4, Some(16))]),
            ReadProgress { bytes: 7, total: Some(24) }
        );
        assert_eq!(sum(&[(1, None), (2, None)]), ReadProgress { bytes: 3, total: None });
    }
}
