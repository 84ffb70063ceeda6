//! The harness: runs the `strateye` binary as users do, and says what it cost.
//!
//! [`throughput`] replays a workload as fast as it goes and compares what fired with every number of processes;
//! [`latency`] feeds events at a given rate, whether or not the engine keeps up (open loop).

pub mod engine;
pub mod fired;
pub mod latency;
pub mod services;
pub mod table;
pub mod throughput;

pub use engine::Engine;
