//! Events from a Kafka topic.
//!
//! Each worker reads the partitions p with p mod workers = its own number, by manual assignment: no consumer group
//! shares them out, and a restart resumes from the checkpoint's positions, never from the group's offsets. Those are
//! committed behind the checkpoints, for tools that show the lag.
//!
//! | file | is |
//! | --- | --- |
//! | `config` | the settings, and the client's options made of them |
//! | `open` | which partitions, from where |
//! | `source`, `batch` | reading |
//! | `watch`, `probe` | the thread that asks for ends and new partitions |
//! | `shared` | what both threads tell each other |
//! | `client` | the log, commits and questions of the client |
//!
//! **Invariants**: a batch holds records of one partition in its order. `CaughtUp` is said only when everything before an
//! end, asked for at `at`, has been returned by `next`; when the brokers can't be asked, nothing is said. An outage is
//! waited for; the source ends only when the client can't go on or a position is lost.
//!
//! **Limits**: a position that stands before nothing but transaction markers, all of which the retention has removed,
//! looks like lost records. A topic that is deleted and made anew while it is read is noticed only by its offsets.

mod batch;
mod client;
mod config;
mod error;
mod open;
mod probe;
mod shared;
mod source;
mod watch;

pub use config::{KafkaConfig, OnLost, StartAt};
pub use error::KafkaError;
pub use source::KafkaSource;
