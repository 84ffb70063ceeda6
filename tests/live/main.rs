//! The engine between a real Kafka, MariaDB and Redis, any of which may die at any time.
//!
//! The output is compared with the plain reference evaluator: the same triggers, each exactly once where that
//! is guaranteed, and the same state in Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod chaos;
mod check;
mod cuts;
mod engine;
mod fail_points;
mod finite;
mod future;
mod idle;
mod large;
mod load;
mod memory;
mod older;
mod outage;
mod redis_cluster;
mod rules;
mod shop;
mod state_fixture;
mod strangers;
mod waiting;
mod zombie;
