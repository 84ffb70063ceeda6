//! Benchmarks of strateye: a workload that is the same everywhere, and harnesses that run it.
//!
//! | module | content |
//! | --- | --- |
//! | [`workload`] | events and rules, a function of four numbers; variants of them |
//! | [`prepared`] | a workload's rules, compiled in this process |
//! | [`floor`](mod@floor) | the minimum cost of any engine: reading and decoding |
//! | [`reference`](mod@reference) | a decoder that does not change, to scale figures by |
//! | [`states`] | how many states of conditions a workload leaves behind |
//! | [`harness`] | the `strateye` binary on a workload, end to end |
//!
//! The micro-benches in `benches/` use the same events and rules.
//!
//! **Invariant**: nothing here is linked into the engine, and the harness uses the engine by its command line
//! only, so it measures what users run.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod error;
pub mod floor;
pub mod harness;
pub mod prepared;
pub mod reference;
pub mod states;
pub mod workload;

pub use error::Error;
