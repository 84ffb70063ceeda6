//! Tests of the reference evaluator, of the engine against it, and of the services of live tests.
//!
//! They are one program: it is linked once, and while some tests wait, others run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounded;
mod edits;
mod engine_equals_reference;
mod reference_golden;
mod reference_random;
mod rules_are_valid;
mod services;
