//! Tests with migrating slots and failing nodes.

use operators::model::ids::CheckpointNumber;
use redis::{cluster_routing::Slot, cmd};
use strateye_sinks::checkpoint::{CheckpointStore, FieldChange, RedisCheckpoints, RedisConfig};
use strateye_tests::services::RedisCluster;

use super::support::{FIRST, LONG, cluster_config, plain, scanned, wait_for};

/// A node: its connection, its id, and the first and last slot it serves.
struct Node {
    connection: redis::Connection,
    id: String,
}

fn nodes(cluster: &RedisCluster) -> Vec<Node> {
    let node = |url: &String| {
        let mut connection = plain(url);
        let id = cmd("CLUSTER").arg("MYID").query(&mut connection).unwrap();
        Node { connection, id }
    };
    cluster.urls().iter().map(node).collect()
}

fn slot_of(connection: &mut redis::Connection, key: &str) -> u16 {
    let slot: u16 = cmd("CLUSTER").arg("KEYSLOT").arg(key).query(connection).unwrap();
    assert_eq!(Slot::new(slot).unwrap(), Slot::for_key(key));
    slot
}

/// The node that serves a key, and another one.
fn server_and_other(nodes: &mut [Node], key: &str) -> (usize, usize) {
    let serves = |node: &mut Node| cmd("EXISTS").arg(key).query::<bool>(&mut node.connection).is_ok();
    let server = nodes.iter_mut().position(serves).unwrap();
    (server, (server + 1) % nodes.len())
}

fn set_slot(node: &mut Node, slot: u16, state: &str, id: &str) {
    cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(state).arg(id).exec(&mut node.connection).unwrap();
}

#[test]
fn a_moving_slot_is_followed() {
    let cluster = RedisCluster::start();
    let mut nodes = nodes(&cluster);
    let mut store = RedisCheckpoints::open(&cluster_config(&cluster)).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    // All in one slot, by their hash tag.
    let name = |i: usize| format!("{{moving}}:{i}");
    let (one, two): (&[FieldChange<'_>], &[FieldChange<'_>]) = (&[("a", Some("1"))], &[("a", Some("2"))]);
    store.apply(generation, FIRST, &name(0), one).unwrap();
    let key = format!("strateye:s:{}", name(0));
    let slot = slot_of(&mut nodes[0].connection, &key);
    let (from, to) = server_and_other(&mut nodes, &key);
    let (from_id, to_id) = (nodes[from].id.clone(), nodes[to].id.clone());

    // During migration: existing keys are served here, others by the other node.
    set_slot(&mut nodes[to], slot, "IMPORTING", &from_id);
    set_slot(&mut nodes[from], slot, "MIGRATING", &to_id);
    store.apply_many(generation, FIRST, &[(&name(0), two), (&name(1), one), (&name(2), one)]).unwrap();
    assert_eq!(scanned(&mut store, &name(0))["a"], "2");
    assert_eq!(scanned(&mut store, &name(1))["a"], "1");
    let port = cluster.urls()[to].trim_end_matches('/').rsplit_once(':').unwrap().1.to_owned();
    cmd("MIGRATE")
        .arg("127.0.0.1")
        .arg(port)
        .arg(&key)
        .arg(0)
        .arg(60_000)
        .exec(&mut nodes[from].connection)
        .unwrap();
    store.apply(generation, FIRST, &name(0), one).unwrap();
    assert_eq!(scanned(&mut store, &name(0))["a"], "1");

    // Migrated: the store still has the old assignment.
    for at in [to, from, 3 - to - from] {
        set_slot(&mut nodes[at], slot, "NODE", &to_id);
    }
    store.apply_many(generation, FIRST, &[(&name(0), two), (&name(3), one)]).unwrap();
    assert_eq!(scanned(&mut store, &name(0))["a"], "2");
    assert_eq!(store.hashes().unwrap(), (0..4).map(name).collect::<Vec<_>>());
    store.drop_hash(generation, &name(0)).unwrap();
    assert_eq!(store.hashes().unwrap().len(), 3);
}

#[test]
fn a_node_that_goes_and_comes_back() {
    let cluster = RedisCluster::start();
    let mut beside = nodes(&cluster);
    let config = RedisConfig { timeout_ms: 2000, ..cluster_config(&cluster) };
    let mut store = RedisCheckpoints::open(&config).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"1").unwrap();
    let (server, _) = server_and_other(&mut beside, "strateye:committed");
    cluster.kill_node(server);
    assert!(store.commit(generation, CheckpointNumber(2), b"2").unwrap_err().is_transient());
    assert!(RedisCheckpoints::open(&config).unwrap_err().is_transient());
    cluster.restart();
    wait_for("the node", || store.commit(generation, CheckpointNumber(2), b"2").ok());
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(2)));

    cluster.pause_node(server);
    assert!(store.commit(generation, CheckpointNumber(3), b"3").unwrap_err().is_transient());
    cluster.resume_node(server);
    wait_for("the node", || store.commit(generation, CheckpointNumber(3), b"3").ok());
    assert_eq!(store.renew(generation, LONG).unwrap(), Some(CheckpointNumber(3)));
}

#[test]
fn a_node_that_returns_may_have_lost_any_change() {
    let cluster = RedisCluster::start();
    let mut beside = nodes(&cluster);
    let mut store = RedisCheckpoints::open(&cluster_config(&cluster)).unwrap();
    let generation = store.take("a", LONG).unwrap().generation;
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(1)).unwrap(), CheckpointNumber(1));
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(2)).unwrap(), CheckpointNumber(2));
    // Not the node that serves this key.
    let (_, other) = server_and_other(&mut beside, "strateye:committed");
    cluster.kill_node(other);
    assert!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap_err().is_transient());
    cluster.restart();
    assert_eq!(
        wait_for("the node", || store.mark_compacted(generation, CheckpointNumber(3)).ok()),
        CheckpointNumber(0)
    );
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(3)).unwrap(), CheckpointNumber(3));
}
