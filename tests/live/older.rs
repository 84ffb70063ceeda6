//! A Redis that comes back with older state, as after a fail-over or from a backup: the engine goes on from what is there.
//!
//! Events are read again from the older positions. So what is published with checkpoints may come twice, under the same id and with
//! the same content; nothing is lost, and nothing wrong comes.

use std::{fs, path::Path, sync::Arc};

use strateye_tests::services::Redis;

use crate::{
    check,
    engine::{Services, Store},
    waiting::{begin, checkpoint, ends_with, send_for_checkpoints, send_until},
};

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn after_an_older_state_everything_since_then_is_read_again() {
    let redis = Arc::new(Store::Single(Redis::start()));
    let (mut engine, mut load) = begin(Services { redis, ..Services::shared() }, 2);
    send_for_checkpoints(&engine, &mut load, 3);
    let data = engine.services.redis.folder().join("appendonlydir");
    let backup = engine.folder().join("backup");
    engine.services.redis.pause();
    copy(&data, &backup);
    engine.services.redis.resume();
    let older = checkpoint(&engine);
    send_for_checkpoints(&engine, &mut load, 5);
    let published = check::published(&engine, "once").len();
    assert!(published > 0);
    engine.services.redis.kill();
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    engine.services.redis.restart();
    engine.log_until("restarting as generation 2");
    engine.log_until("resuming");
    let newer = checkpoint(&engine);
    send_until(&mut load, "a commit above all that was published", || checkpoint(&engine) > older + 5);
    send_for_checkpoints(&engine, &mut load, 2);
    let numbers = (older, newer, checkpoint(&engine));
    println!("the older state was of {older}, the engine goes on at {numbers:?}");
    ends_with(&mut engine, &mut load, &|engine, expected| {
        let came = check::triggers_at_least(engine, expected);
        assert!(came >= expected.triggers.len());
    });
    let log = engine.log.join("\n");
    assert!(
        log.contains("can't be committed after checkpoint")
            || log.contains("the checkpoint store has gone back"),
        "{log}"
    );
}
