//! Tests of the checkpoint stores.
//!
//! - `suite`: the contract, for every store; `support`: stores for the tests
//! - `random`: random calls compared with the memory store
//! - `broken`, `cluster`, `tls`: failures of real Redis servers and clusters, and TLS
//! - `refused`: unfit servers and invalid data

mod broken;
mod cluster;
mod random;
mod refused;
mod suite;
mod support;
mod tls;

use self::support::{memory, on_cluster, on_redis, on_tls, on_tls_cluster, sqlite};

#[test]
fn memory_satisfies_the_contract() {
    suite::run(&memory());
}

#[test]
fn sqlite_satisfies_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite::run(&sqlite(folder.path()));
}

#[test]
fn redis_satisfies_the_contract() {
    suite::run(&on_redis("suite", 1));
}

#[test]
fn redis_with_buckets_satisfies_the_contract() {
    suite::run(&on_redis("buckets", 7));
}

#[test]
fn redis_over_tls_satisfies_the_contract() {
    suite::run(&on_tls("suite", 1));
}

#[test]
fn redis_cluster_over_tls_satisfies_the_contract() {
    suite::run(&on_tls_cluster("suite", 16));
}

#[test]
fn redis_cluster_satisfies_the_contract() {
    suite::run(&on_cluster("suite", 1));
}

#[test]
fn redis_cluster_with_buckets_satisfies_the_contract() {
    suite::run(&on_cluster("buckets", 16));
}
