//! One process of the cluster: its threads, the graph of its workers, and the clock of worker 0.
//!
//! Worker 0 keeps the time and orders changes of rules and checkpoints; the process of worker 0 also owns the
//! state and reads the rules. Every worker reads its partitions, matches and evaluates; triggers and refused
//! records leave from worker 0.
//!
//! - [`job`]: the work of a cluster, as every process reads it
//! - [`batches`]: sizes of batches of records
//! - [`process`]: the work of one process, from its start to the end of its dataflow
//! - [`surroundings`], [`error`]: its connections to supervisor and metrics, and its errors
//! - [`awaiting`]: stores, topics and databases that are away when it starts
//! - `process_zero`: ownership of the state, and the rules feed
//! - `worker`: what a worker opens, and the loop that steps it
//! - [`graph`]: the operators of a worker, connected
//! - [`control`]: epochs, switches of rule books and checkpoints, on worker 0
//! - [`events`]: from a source to the dataflow
//! - `event_source`: the source that a worker opens
//! - [`meter`]: a worker's numbers
//! - `pace`: the instants at which live workers step
//! - `split_keys`: warnings of keys that lie in several partitions
//! - [`stall`]: detects a dataflow without progress
//! - `usage`: CPU time and memory of the process

pub mod awaiting;
pub mod batches;
pub mod control;
pub mod error;
mod event_source;
pub mod events;
pub mod graph;
pub mod job;
pub mod meter;
mod pace;
pub mod process;
mod process_zero;
mod split_keys;
pub mod stall;
pub mod surroundings;
mod usage;
mod worker;
