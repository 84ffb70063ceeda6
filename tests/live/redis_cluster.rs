//! State in a Redis Cluster whose nodes die and hang, while processes die too.

use std::sync::Arc;

use rustix::process::Signal;
use serde_json::json;
use strateye_tests::services::RedisCluster;

use crate::{
    engine::{Engine, Services, Store, signal},
    waiting::{begin, checkpoint, checkpoints, ends_as_expected, send_for_checkpoints, until},
};

#[test]
fn nodes_of_a_cluster_die_and_nothing_is_lost_or_repeated() {
    let redis = Arc::new(Store::Cluster(RedisCluster::start()));
    let (mut engine, mut load) = begin(Services { redis: Arc::clone(&redis), ..Services::shared() }, 3);
    let Store::Cluster(cluster) = &*redis else { unreachable!("it was made so") };
    let mut settle = |engine: &crate::engine::Engine| send_for_checkpoints(engine, &mut load, 2);
    settle(&engine);
    for node in [0, 1] {
        cluster.kill_node(node);
        cluster.restart();
        settle(&engine);
    }
    signal(engine.processes()[1], Signal::KILL);
    settle(&engine);
    cluster.pause_node(2);
    engine.kill();
    cluster.resume_node(2);
    engine.start(2);
    settle(&engine);
    ends_as_expected(&mut engine, &mut load);
}

/// Name of the blob of the rules that the last commit lists.
fn rules_of(engine: &Engine) -> String {
    let (_, manifest) = engine.committed().unwrap();
    manifest["rules"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_lost_commit_had_unlisted_is_still_there() {
    let redis = Arc::new(Store::Cluster(RedisCluster::start()));
    let (mut engine, mut load) = begin(Services { redis, ..Services::shared() }, 2);
    send_for_checkpoints(&engine, &mut load, 2);
    // The master of the commits loses its last writes, as by a fail-over; the others keep theirs.
    let key = format!("{}:committed", engine.name);
    let older: Vec<u8> = engine.ask(redis::cmd("DUMP").arg(&key)).unwrap();
    let (rules, last) = (rules_of(&engine), checkpoint(&engine));
    engine.publish(&json!({"rule_id": "another", "trigger": {"event": {"id": "never"}}}));
    until("a commit with other rules", || rules_of(&engine) != rules);
    send_for_checkpoints(&engine, &mut load, 2);
    let restore = redis::cmd("RESTORE").arg(&key).arg(0).arg(older).arg("REPLACE").to_owned();
    assert_eq!(engine.ask::<String>(&restore).as_deref(), Some("OK"));
    engine.log_until(&format!("resuming checkpoint={last}"));
    checkpoints(&engine, 2);
    until("the other rules are in force again", || rules_of(&engine) != rules);
    engine.stop();
}
