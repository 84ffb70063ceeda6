//! What a cluster shows to those who watch it: metrics, health and readiness over HTTP.
//!
//! ```text
//!  workers ──numbers, twice a second──► supervisor ──► Board ◄── Server: /metrics /healthz /readyz
//!     └──► Board of their own ◄── Server, if each process is to have one
//! ```
//!
//! | file | one idea |
//! | --- | --- |
//! | `board` | the latest numbers of every process, and events of the supervisor |
//! | `metrics/` | the metrics, defined once per component |
//! | `page` | how they are written as OpenMetrics text |
//! | `ready` | whether the cluster does its work, and if not, why (pure) |
//! | [`messenger`] | the sending of a process's messages |
//! | `server` | HTTP, in a thread of its own, whatever strangers send |
//!
//! **Invariants.** Nothing here is waited for by a worker: numbers are made when they are due, and pages from
//! the last ones. Labels are bounded: processes, partitions, sinks, states, and as many rules as
//! [`NAMED`](crate::protocol::figures::NAMED) says. Nobody can change anything over HTTP.

mod board;
pub mod messenger;
mod metrics;
mod page;
mod ready;
mod server;

pub use board::{Board, Expected};
pub use server::{Server, ServerError, resolve};
