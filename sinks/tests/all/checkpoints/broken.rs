//! Tests with connections that break, servers that hang or restart, replicas that lag.

use std::time::{Duration, Instant};

use operators::model::ids::CheckpointNumber;
use redis::cmd;
use strateye_sinks::checkpoint::{
    CheckpointError, CheckpointStore, FieldChange, RedisCheckpoints, RedisConfig,
};
use strateye_tests::services::Redis;

use super::support::{FIRST, LONG, config, plain, scanned, wait_for};

fn store(redis: &Redis, timeout_ms: u64) -> RedisCheckpoints {
    RedisCheckpoints::open(&RedisConfig { timeout_ms, ..config(redis) }).unwrap()
}

/// Ends all other connections, on the server's side.
fn cut(plain: &mut redis::Connection) {
    let ended: u64 =
        cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes").query(plain).unwrap();
    assert!(ended > 0);
}

#[test]
fn a_broken_connection_is_opened_again() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    let names: Vec<String> = (0..5000).map(|i| i.to_string()).collect();
    let changes: Vec<FieldChange<'_>> = names.iter().map(|name| (name.as_str(), Some("1"))).collect();
    cut(&mut plain);
    store.apply(generation, FIRST, "r:c:1", &changes).unwrap();
    cut(&mut plain);
    assert_eq!(scanned(&mut store, "r:c:1").len(), 5000);
    cut(&mut plain);
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    cut(&mut plain);
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(1)));
    cut(&mut plain);
    store.push_edit(&[("a", "1")]).unwrap();
    cut(&mut plain);
    assert_eq!(store.edits(None, 10).unwrap().len(), 1);
}

#[test]
fn a_server_that_was_emptied_takes_no_commit() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    cmd("FLUSHALL").exec(&mut plain).unwrap();
    let error = store.commit(generation, CheckpointNumber(2), b"2").unwrap_err();
    assert!(matches!(error, CheckpointError::Emptied { .. }), "{error}");
    assert!(matches!(store.renew(generation, LONG), Err(CheckpointError::Emptied { .. })));
}

#[test]
fn no_commit_follows_one_that_the_server_has_lost() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    let older: Vec<u8> = cmd("DUMP").arg("strateye:committed").query(&mut plain).unwrap();
    store.commit(generation, CheckpointNumber(2), b"2").unwrap();
    cmd("RESTORE").arg("strateye:committed").arg(0).arg(older).arg("REPLACE").exec(&mut plain).unwrap();
    // Blobs of the third may have been lost with the second.
    let error = store.commit(generation, CheckpointNumber(3), b"3").unwrap_err();
    assert!(
        matches!(
            error,
            CheckpointError::OutOfOrder { number: CheckpointNumber(3), last: CheckpointNumber(1) }
        ),
        "{error}"
    );
    assert_eq!(store.committed().unwrap().unwrap().number, CheckpointNumber(1));
    // An engine that restores the remaining state continues from it.
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(3), b"3").unwrap();
}

#[test]
fn scripts_that_the_server_forgot_are_loaded_again() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let mut forget = || cmd("SCRIPT").arg("FLUSH").exec(&mut plain).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    forget();
    let one: &[FieldChange<'_>] = &[("a", Some("1"))];
    store.apply_many(generation, FIRST, &[("r:c:1", one), ("r:d:1", one), ("r:e:1", one)]).unwrap();
    assert_eq!(store.hashes().unwrap().len(), 3);
    forget();
    store.commit(generation, CheckpointNumber(2), b"2").unwrap();
    assert_eq!(store.committed().unwrap().unwrap().number, CheckpointNumber(2));
    forget();
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(2)));
}

#[test]
fn a_server_out_of_memory_changes_nothing_and_recovers_later() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let mut limit =
        |bytes: u64| cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut plain).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("1")), ("b", Some("1"))]).unwrap();
    limit(1);
    let changes = [("a", Some("2")), ("b", None)];
    assert!(store.apply(generation, FIRST, "r:c:1", &changes).unwrap_err().is_transient());
    assert!(store.put_blob("ckpt:1", b"1").unwrap_err().is_transient());
    assert!(store.commit(generation, CheckpointNumber(1), b"1").unwrap_err().is_transient());
    assert_eq!(scanned(&mut store, "r:c:1").len(), 2);
    // A change that frees memory is executed.
    store.apply(generation, FIRST, "r:c:1", &[("b", None)]).unwrap();
    limit(0);
    store.apply(generation, FIRST, "r:c:1", &changes).unwrap();
    assert_eq!(scanned(&mut store, "r:c:1"), [("a".to_owned(), "2".to_owned())].into());
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
}

#[test]
fn acknowledged_writes_survive_a_crash_of_the_server() {
    let redis = Redis::start();
    let mut store = store(&redis, 60_000);
    let generation = store.take("a", LONG).unwrap().generation;
    store.put_blob("ckpt:1:1:0:0", b"blob").unwrap();
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("1"))]).unwrap();
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    redis.kill();
    assert!(store.renew(generation, LONG).unwrap_err().is_transient());
    assert!(store.push_edit(&[("a", "1")]).unwrap_err().is_transient());
    redis.restart();
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(1)));
    assert_eq!(store.blob("ckpt:1:1:0:0").unwrap().unwrap(), b"blob");
    assert_eq!(scanned(&mut store, "r:c:1").len(), 1);
    assert_eq!(store.edits(None, 10).unwrap().len(), 0);
}

#[test]
fn a_server_that_lost_writes_is_detected() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    let earlier: Vec<u8> = cmd("DUMP").arg("strateye:committed").query(&mut plain).unwrap();
    store.commit(generation, CheckpointNumber(2), b"2").unwrap();
    let mut restore = cmd("RESTORE");
    restore.arg("strateye:committed").arg(0).arg(earlier).arg("REPLACE").exec(&mut plain).unwrap();
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(1)));
    // The server lost the acquisition of the ownership, and another engine got the same generation.
    cmd("FLUSHALL").exec(&mut plain).unwrap();
    let mut other = RedisCheckpoints::open(&config(&redis)).unwrap();
    assert_eq!(other.take("b", LONG).unwrap().generation, generation);
    assert!(!store.renew(generation, LONG).unwrap_err().is_transient());
    assert!(!store.commit(generation, CheckpointNumber(3), b"3").unwrap_err().is_transient());
    store.release(generation).unwrap();
    assert_eq!(other.renew(generation, LONG).unwrap(), None);
}

#[test]
fn the_mark_is_refused_once_by_a_server_that_may_have_lost_changes() {
    let redis = Redis::start();
    let (mut store, mut plain) = (store(&redis, 60_000), plain(&redis.url()));
    let generation = store.take("a", LONG).unwrap().generation;
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("1"))]).unwrap();
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(1)).unwrap(), CheckpointNumber(1));
    let earlier: Vec<u8> = cmd("DUMP").arg("strateye:s:r:c:1").query(&mut plain).unwrap();
    // A broken connection alone loses nothing.
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("2"))]).unwrap();
    cut(&mut plain);
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(2)).unwrap(), CheckpointNumber(2));
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("3"))]).unwrap();
    store.commit(generation, CheckpointNumber(3), b"3").unwrap();
    redis.kill();
    redis.restart();
    let mut restore = cmd("RESTORE");
    restore.arg("strateye:s:r:c:1").arg(0).arg(earlier).arg("REPLACE");
    restore.exec(&mut super::support::plain(&redis.url())).unwrap();
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(2));
    assert_eq!(store.commit(generation, CheckpointNumber(4), b"4").unwrap(), CheckpointNumber(2));
    store.apply(generation, FIRST, "r:c:1", &[("a", Some("3"))]).unwrap();
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(3));
    assert_eq!(store.commit(generation, CheckpointNumber(5), b"5").unwrap(), CheckpointNumber(3));
}

#[test]
fn a_server_that_hangs_costs_no_more_than_the_timeout() {
    let redis = Redis::start();
    let mut store = store(&redis, 1_000);
    let generation = store.take("a", LONG).unwrap().generation;
    let one: &[FieldChange<'_>] = &[("a", Some("1"))];
    let names: Vec<String> = (0..30).map(|i| format!("r:{i}:1")).collect();
    let folds: Vec<(&str, &[FieldChange<'_>])> = names.iter().map(|name| (name.as_str(), one)).collect();
    redis.pause();
    let start = Instant::now();
    assert!(store.apply_many(generation, FIRST, &folds).unwrap_err().is_transient());
    assert!(store.commit(generation, CheckpointNumber(1), b"1").unwrap_err().is_transient());
    assert!(store.put_blob("ckpt:1", &[0].repeat(8 << 20)).unwrap_err().is_transient());
    // Three times 1 s to send and to wait; waiting for 33 answers one by one would take 33 s.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    redis.resume();
    // Answers to commands from before the pause are not taken for answers to later ones.
    wait_for("an answer", || store.commit(generation, CheckpointNumber(1), b"1").ok());
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(1)));
    assert_eq!(store.blob("ckpt:2").unwrap(), None);
    store.apply_many(generation, FIRST, &folds).unwrap();
    assert_eq!(store.hashes().unwrap().len(), 30);
}

#[test]
fn a_commit_waits_for_a_replica() {
    let redis = Redis::start();
    let (host, port) = redis.address().split_once(':').unwrap();
    let replica = Redis::start_with(&["--replicaof", host, port]);
    let mut beside = plain(&redis.url());
    wait_for("the replica", || {
        let info: String = cmd("INFO").arg("replication").query(&mut beside).unwrap();
        info.contains("state=online").then_some(())
    });
    let refused = RedisCheckpoints::open(&config(&replica)).unwrap_err();
    assert!(refused.is_transient() && refused.to_string().contains("master"), "{refused}");
    let mut store = store(&redis, 60_000);
    let generation = store.take("a", LONG).unwrap().generation;
    store.put_blob("ckpt:1:1:0:0", b"blob").unwrap();
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    let mut copy = plain(&replica.url());
    let read: String = cmd("HGET").arg("strateye:committed").arg("n").query(&mut copy).unwrap();
    assert_eq!(read, "1");

    replica.pause();
    let mut hasty = RedisCheckpoints::open(&RedisConfig { timeout_ms: 2_000, ..config(&redis) }).unwrap();
    let error = hasty.put_blob("ckpt:1:2:0:0", b"").unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("0 of 1 replicas"), "{error}");
    assert!(hasty.mark_compacted(generation, CheckpointNumber(1)).unwrap_err().is_transient());
    assert!(hasty.commit(generation, CheckpointNumber(2), b"2").unwrap_err().is_transient());
    // The same commit, retried over a connection that has written nothing yet, is not taken for one that a
    // replica has.
    let mut again = RedisCheckpoints::open(&RedisConfig { timeout_ms: 2_000, ..config(&redis) }).unwrap();
    assert!(again.commit(generation, CheckpointNumber(2), b"2").unwrap_err().is_transient());
    let mut careless = RedisCheckpoints::open(&RedisConfig { replicas: 0, ..config(&redis) }).unwrap();
    careless.commit(generation, CheckpointNumber(3), b"3").unwrap();
    replica.resume();
    assert_eq!(
        wait_for("the replica's answer", || hasty.mark_compacted(generation, CheckpointNumber(1)).ok()),
        CheckpointNumber(1)
    );
    wait_for("the replica's answer", || hasty.commit(generation, CheckpointNumber(4), b"4").ok());
    let read: String = cmd("HGET").arg("strateye:committed").arg("n").query(&mut copy).unwrap();
    assert_eq!(read, "4");
}
