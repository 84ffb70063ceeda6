//! What strateye computes: the rule, its filters and calculators, keyed state, and the timely operators built of them.
//!
//! **Architecture invariant**: nothing in this crate does I/O, reads a clock or the environment, or knows an async
//! runtime. Data comes in as records and leaves as records; the composition root (`dataflow`) connects both ends.
//!
//! `SEMANTICS.md` beside this crate fixes what a rule means in the corners.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod calculator;
pub mod document;
pub mod expression;
pub mod filter;
pub mod model;
pub mod ops;
pub mod rule;
pub mod state;
