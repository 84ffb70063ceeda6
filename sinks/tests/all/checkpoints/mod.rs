//! Checkpoint stores: one suite for all of them, random calls compared with the one in memory, and what is special about
//! real Redis servers and clusters.

mod broken;
mod cluster;
mod random;
mod refused;
mod suite;
mod support;
mod tls;

use self::support::{memory, on_cluster, on_redis, on_tls, on_tls_cluster, sqlite};

#[test]
fn memory_keeps_what_is_promised() {
    suite::run(&memory());
}

#[test]
fn sqlite_keeps_what_is_promised() {
    let folder = tempfile::tempdir().unwrap();
    suite::run(&sqlite(folder.path()));
}

#[test]
fn redis_keeps_what_is_promised() {
    suite::run(&on_redis("suite", 1));
}

#[test]
fn redis_with_buckets_keeps_what_is_promised() {
    suite::run(&on_redis("buckets", 7));
}

#[test]
fn redis_over_tls_keeps_what_is_promised() {
    suite::run(&on_tls("suite", 1));
}

#[test]
fn redis_cluster_over_tls_keeps_what_is_promised() {
    suite::run(&on_tls_cluster("suite", 16));
}

#[test]
fn redis_cluster_keeps_what_is_promised() {
    suite::run(&on_cluster("suite", 1));
}

#[test]
fn redis_cluster_with_buckets_keeps_what_is_promised() {
    suite::run(&on_cluster("buckets", 16));
}
