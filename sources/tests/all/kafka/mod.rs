//! Tests of events from a real Kafka broker.

mod ends;
mod lost;
mod outage;
mod reading;
mod scene;
