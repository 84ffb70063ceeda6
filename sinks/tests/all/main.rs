//! Tests of the sinks against a real Kafka, a real Redis and an HTTP receiver.
//!
//! They are one program: it is linked once, and while some tests wait, others run.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod checkpoints;
mod kafka;
mod receiver;
mod trigger_sinks;
mod wait;
mod webhook;
