//! Sources of events: raw records in batches, each batch from one partition, in its order.
//!
//! A batch is small (1024 records or about 256 KiB) so that the first record in it does not wait for the last. Nothing
//! is decoded here: a record is the bytes of one JSON object, valid or not.

pub mod file;
pub mod generator;
pub mod kafka;
mod lines;
pub mod stdin;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use file::FileSource;
pub use generator::{GeneratorConfig, GeneratorSource, Start};
pub use kafka::{KafkaConfig, KafkaError, KafkaSource};
pub use lines::LineConfig;
use operators::model::{
    ids::{PartitionId, Positions},
    raw::RawBatch,
};
pub use stdin::StreamSource;

use crate::SourceError;

/// Something that yields events.
pub trait EventSource: Send {
    /// The partitions it reads, each with the first offset not handed over; more may be [`Next::Opened`] later.
    fn positions(&self) -> Positions;

    /// The partitions it reads.
    fn partitions(&self) -> Vec<PartitionId> {
        self.positions().partitions().collect()
    }

    /// What comes next, after about `wait` at the latest. A `wait` of zero never sleeps.
    ///
    /// After `End` every further call says `End`; after an error the source is done.
    ///
    /// # Errors
    /// When the system underneath can no longer be read; never because of what a record holds.
    fn next(&mut self, wait: Duration) -> Result<Next, SourceError>;

    /// A checkpoint with these positions is durable: what keeps track of consumers may be told.
    fn settled(&mut self, positions: &Positions) {
        let _ = positions;
    }

    /// Bytes taken so far, and of how many, if that is known.
    fn progress(&self) -> Option<(u64, Option<u64>)>;
}

/// What a source has to say.
#[derive(Clone, Debug)]
pub enum Next {
    /// Records, refused ones among them; never empty.
    Batch(RawBatch),
    /// Nothing yet; ask again.
    Idle,
    /// Nothing yet, and these partitions held nothing more at that instant: their clocks may follow.
    CaughtUp {
        /// The partitions.
        partitions: Vec<PartitionId>,
        /// When that was asked, unix ms by the wall clock.
        at: i64,
    },
    /// These partitions are read too from now on, each from this offset.
    Opened(Positions),
    /// Nothing ever again.
    End,
}

/// Records in a batch, unless configured otherwise.
pub const MAX_RECORDS: usize = 1024;
/// Bytes in a batch, unless configured otherwise; one record may reach beyond.
pub const MAX_BATCH_BYTES: usize = 256 << 10;
/// Bytes in a record, unless configured otherwise.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// The wall clock, unix ms.
fn wall_ms() -> i64 {
    (wall_us() / 1000) as i64
}

/// The wall clock, unix µs.
fn wall_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
