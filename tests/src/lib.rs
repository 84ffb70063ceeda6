//! Tests of strateye, and what they share.
//!
//! - `reference`: a plain evaluator of rules, the reference for the engine
//! - `random`: random rules and event streams to compare the two on
//! - `fuzz`: inputs that nobody meant, for whatever reads what others wrote
//! - `golden`: golden cases that check both
//! - `engine`: the engine driven in process
//! - `compiler`: its compiler of rules, which interprets what `STRATEYE_INTERPRET` names
//! - `command`: programs under test
//! - `services`: Kafka, Redis and MariaDB for tests against real services

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod command;
pub mod compiler;
pub mod engine;
pub mod fuzz;
pub mod golden;
pub mod random;
pub mod reference;
pub mod services;
pub mod state_fixture;
