//! Tests of the reference evaluator, of the engine against it, and of the services of live tests.
//!
//! They are one program: it is linked once, and while some tests wait, others run.
//!
//! - `reference_golden`, `reference_random`: the reference evaluator
//! - `engine_equals_reference`, `bounded`: the engine against the reference, and under a bound of memory
//! - `decoding`: which events are decoded in a single pass
//! - `edits`: rules that change while state is kept
//! - `fuzz`: inputs that nobody meant
//! - `rules_are_valid`: the rules of golden and random cases
//! - `services`: the services that live tests run against

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounded;
mod decoding;
mod edits;
mod engine_equals_reference;
mod fuzz;
mod reference_golden;
mod reference_random;
mod rules_are_valid;
mod services;
