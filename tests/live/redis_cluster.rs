//! State in a Redis Cluster whose nodes die and hang, while processes die too.

use std::sync::Arc;

use rustix::process::Signal;
use strateye_tests::services::RedisCluster;

use crate::{
    engine::{Services, Store, signal},
    waiting::{begin, ends_as_expected, send_for_checkpoints},
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
