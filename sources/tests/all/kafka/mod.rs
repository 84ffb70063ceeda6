//! Tests of events from a real Kafka broker.
//!
//! - `scene`: the broker, writers, and a reader that records messages
//! - `reading`: which records are read, from which offset, and their metadata
//! - `ends`: when a partition is caught up, and its lag
//! - `lost`: positions that the topic does not have
//! - `outage`: a broker that is killed or hangs

mod ends;
mod lost;
mod outage;
mod reading;
mod scene;
