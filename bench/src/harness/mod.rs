//! The harness: runs `strateye` binaries as users do, and measures their cost.
//!
//! [`throughput`] replays a workload as fast as possible and compares the triggers of all programs and
//! numbers of processes; [`latency`] feeds events at a given rate, whether or not the engine keeps up (open
//! loop); [`services`] runs the engine between real services.
//!
//! - `engine`: a binary, its command line, the figures it prints
//! - `fired`: triggers of a replay, and their comparison
//! - `throughput`: rounds of floors and replays
//! - `figures`, `measured`: figures, medians, and the rows of a comparison
//! - `cost_table`, `chart`, `report`: a comparison as Markdown, SVG and JSON
//! - `machine`: the machine of a measurement
//! - `latency`, `services`: the other measurements
//! - `table`: tables in Markdown

pub mod chart;
pub mod cost_table;
pub mod engine;
pub mod figures;
pub mod fired;
pub mod latency;
pub mod machine;
pub mod measured;
pub mod report;
pub mod services;
pub mod table;
pub mod throughput;

pub use engine::Engine;
