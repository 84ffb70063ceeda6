//! strateye's composition root: the cluster, the graph, the command line.
//!
//! | module | what |
//! | --- | --- |
//! | [`cluster`] | processes connect, run timely, and are supervised |
//! | [`run`] | one process of the cluster: sources, graph, control, sinks |
//! | [`demo`] | the rules and the story of the demo |
//! | [`telemetry`] | metrics, health and readiness over HTTP |
//! | [`cli`] | the commands |

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod checkpoint;
pub mod cli;
pub mod cluster;
pub mod demo;
#[cfg(test)]
mod logged;
mod panics;
pub mod run;
pub mod telemetry;
mod threads;
