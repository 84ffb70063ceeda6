//! strateye's composition root: the cluster, the graph, the command line.
//!
//! | module | what |
//! | --- | --- |
//! | [`cluster`] | processes connect, run timely, and are supervised |
//! | [`run`] | one process of the cluster: job, graph, control, sources |
//! | [`rules`] | from the source of rules to rule books |
//! | [`triggers`] | triggers and refused records on their way out |
//! | [`checkpoint`] | state, positions and rules, committed together |
//! | [`protocol`] | what all of these say to each other |
//! | [`demo`] | the rules and the story of the demo |
//! | [`telemetry`] | metrics, health and readiness over HTTP |
//! | [`cli`] | the commands |

#![cfg_attr(test, allow(clippy::unwrap_used))]

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
