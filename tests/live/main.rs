//! The engine between a real Kafka, MariaDB and Redis, any of which may die at any time.
//!
//! The output is compared with the plain reference evaluator: the same triggers, each exactly once where that
//! is guaranteed, and the same state in Redis.
//!
//! - `engine`, `load`, `shop`, `rules`, `waiting`, `check`: the engine under test, its input, the comparison
//! - `chaos`, `fail_points`, `redis_cluster`, `memory`: processes and services that die or hang
//! - `outage`, `older`, `zombie`: a broker that is away, a Redis with older state, a second engine
//! - `idle`, `finite`, `future`, `large`: unusual partitions, inputs and triggers
//! - `away`: services that are away at the start
//! - `cuts`: offsets at which changes of rules took force
//! - `emptied`: a store that is emptied, or replaced by an older one
//! - `strangers`: strangers at every socket
//! - `state_fixture`: state that an earlier commit wrote
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod away;
mod chaos;
mod check;
mod cuts;
mod emptied;
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
