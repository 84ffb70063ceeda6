//! Events from a real Kafka broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ends;
mod lost;
mod outage;
mod reading;
mod scene;
