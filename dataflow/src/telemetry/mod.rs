//! Telemetry of a cluster: metrics, health and readiness over HTTP.
//!
//! ```text
//!  workers ──numbers, twice a second──► supervisor ──► Board ◄── Server: /metrics /healthz /readyz
//!     └──► Board of their own ◄── Server, if each process is to have one
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `board` | the latest numbers of every process, and events of the supervisor |
//! | `metrics/` | the metrics, defined once per component |
//! | `page` | the metrics as OpenMetrics text |
//! | `ready` | readiness of the cluster, or the reasons against it (pure) |
//! | [`messenger`] | the sending of a process's messages |
//! | `server` | HTTP, in a thread of its own, whatever strangers send |
//!
//! **Invariants.** No worker waits for anything here: numbers are made when they are due, and pages from the
//! last ones. Labels are bounded: processes, partitions, sinks, states, and at most
//! [`NAMED`](crate::protocol::figures::NAMED) rules. Nothing can be changed over HTTP.

mod board;
pub mod messenger;
mod metrics;
mod page;
mod ready;
mod server;

pub use board::{Board, Expected};
pub use server::{Server, ServerError, resolve};
