//! What strateye costs: a workload that is the same everywhere, and harnesses that run it.
//!
//! | module | what |
//! | --- | --- |
//! | [`workload`] | events and rules, a function of four numbers |
//! | [`prepared`] | a workload's rules, compiled in this process |
//! | [`floor`](mod@floor) | the least that any engine pays: reading and decoding |
//! | [`harness`] | the `strateye` binary on a workload, end to end |
//!
//! The micro-benches in `benches/` take their events and rules from here too.
//!
//! **Architecture invariant**: nothing here is linked into the engine, and the harness knows the engine by its command
//! line only, so what it measures is what users run.

pub mod error;
pub mod floor;
pub mod harness;
pub mod prepared;
pub mod workload;

pub use error::Error;
