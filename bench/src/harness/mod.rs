//! The harness: runs the `strateye` binary as users do, and measures its cost.
//!
//! [`throughput`] replays a workload as fast as possible and compares the triggers of all numbers of
//! processes; [`latency`] feeds events at a given rate, whether or not the engine keeps up (open loop);
//! `services` runs the engine between real services.

pub mod engine;
pub mod fired;
pub mod latency;
pub mod services;
pub mod table;
pub mod throughput;

pub use engine::Engine;
