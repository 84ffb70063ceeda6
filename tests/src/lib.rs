//! Tests of strateye, and what they share: a plain reference evaluator of rules, random rules and event streams to
//! compare the engine with it on, the golden cases that check both, and the services that live tests run against.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod command;
pub mod engine;
pub mod golden;
pub mod random;
pub mod reference;
pub mod services;
