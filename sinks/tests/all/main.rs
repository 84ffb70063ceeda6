//! Tests of the sinks against a real Kafka, a real Redis and an HTTP receiver.
//!
//! All are one program: it is linked once, and some tests run while others wait.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod checkpoints;
mod kafka;
mod receiver;
mod trigger_sinks;
mod wait;
mod webhook;
