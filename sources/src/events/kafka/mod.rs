//! Events from a Kafka topic.
//!
//! Worker w of n reads the partitions p with p mod n = w, by manual assignment: no consumer group distributes
//! them, and a restart resumes from the checkpoint's positions, never from the group's offsets. Those are
//! committed behind the checkpoints, for tools that show the lag.
//!
//! Data flow: the reading thread polls the client and builds batches; a watching thread queries the brokers
//! for ends and new partitions, and passes its findings to the reading thread.
//!
//! | file | content |
//! | --- | --- |
//! | `config` | settings, and the client options derived from them |
//! | `open` | choice of the partitions and their first positions |
//! | `source`, `batch` | reading |
//! | `watch`, `probe` | the thread that queries for ends and new partitions |
//! | `standstill` | detection of a client that has stopped to read |
//! | `shared` | state shared by the two threads |
//! | `commits` | commits to the consumer group |
//! | `client` | logging and queries of the client |
//!
//! **Invariants**: a batch holds records of one partition in its order. `CaughtUp` is returned only if
//! everything before an end, queried at `at`, has been returned by `next`; while the brokers do not answer, and
//! until producers have had time to find them again, it is not returned. An outage is waited for; the source ends only if the client can't continue or a
//! position is lost.
//!
//! **Limits**: a position followed only by transaction markers, all of which retention has removed, looks
//! like lost records. A topic that is deleted and created again while it is read is noticed by its absence,
//! by fewer partitions or by ends before the positions; not if it has grown beyond them meanwhile. A partition
//! that was left out and is there again at the next start is read from its former position.

mod batch;
mod client;
mod commits;
mod config;
mod error;
mod open;
mod probe;
mod shared;
mod source;
mod standstill;
mod watch;

pub use config::{KafkaConfig, OnLost, StartAt};
pub use error::KafkaError;
pub use source::KafkaSource;

/// Positions of partitions, for tests.
#[cfg(test)]
fn positions<const N: usize>(pairs: [(u32, u64); N]) -> operators::model::ids::Positions {
    use operators::model::ids::{Offset, PartitionId};
    pairs.into_iter().map(|(partition, offset)| (PartitionId(partition), Offset(offset))).collect()
}
