//! strateye's composition root: the cluster, the graph, the command line.
//!
//! | module | what |
//! | --- | --- |
//! | [`cli`] | the commands |
//! | [`cluster`] | processes connect, run timely, and are supervised |
//! | [`run`] | one process of the cluster: job, graph, control, sources |
//! | [`rules`] | from the source of rules to rule books |
//! | [`checkpoint`] | state, positions and rules, committed together |
//! | [`triggers`] | triggers and refused records on their way out |
//! | [`telemetry`] | metrics, health and readiness over HTTP |
//! | [`protocol`] | the plain data that threads, workers and processes exchange |
//! | [`exit`] | the end of a process that has failed for good |
//! | [`demo`] | rules and story of the demo |
//! | `panics` | panics as lines of the log |
//! | `threads` | threads with names |
//! | `logged` | the log of a test |
//!
//! Outside tests, a module imports only from those below it in this order: `cli`, `run`, `triggers`, `rules`,
//! `checkpoint`, `telemetry`, `protocol` and `exit`, `cluster`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods))]

pub mod checkpoint;
pub mod cli;
pub mod cluster;
pub mod demo;
pub mod exit;
#[cfg(test)]
mod logged;
mod panics;
pub mod protocol;
pub mod rules;
pub mod run;
pub mod telemetry;
mod threads;
pub mod triggers;
