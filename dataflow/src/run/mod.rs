//! One process of the cluster.
//!
//! Worker 0 keeps the time ([`control`]) and reads the rules ([`feed`]); every process makes the rule books
//! ([`shelf`]); every worker reads its partitions ([`events`]), matches and evaluates ([`graph`]); triggers and refused
//! records are written by worker 0 ([`sink`]). What a process shows of itself is in [`meter`],
//! what it tells as it happens in [`news`]; when it counts as dead, in [`stall`].

pub mod control;
pub mod events;
pub mod graph;
pub mod job;
pub mod meter;
mod pace;
pub mod process;
mod split_keys;
pub mod stall;
mod usage;
