//! A Redis that comes back with older state, as after a fail-over or from a backup, or without its last
//! writes: the engine continues from that state.
//!
//! Events are read again from the older positions. So what is published with checkpoints may be repeated,
//! with the same id and content; nothing is lost, and nothing wrong is fired.

use std::{fs, path::Path, sync::Arc};

use redis::cmd;
use rustix::process::Signal;
use strateye_tests::{command::is_stopped, services::Redis};

use crate::{
    check,
    engine::{PARTITIONS, Services, Store, signal},
    waiting::{begin, begin_in, checkpoint, ends_as_expected, ends_with, send_for_checkpoints, send_until},
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
    send_for_checkpoints(&engine, &mut load, 5);
    send_until(&mut load, "triggers are published", || !check::published(&engine, "once").is_empty());
    let newer = checkpoint(&engine);
    engine.services.redis.kill();
    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    engine.services.redis.restart();
    engine.log_until("restarting as generation 2");
    let older: u64 = engine.running().log_until("what it resumes", |line| {
        let (_, resumed) = line.split_once("resuming checkpoint=")?;
        resumed.split(' ').next()?.parse().ok()
    });
    assert!(older < newer, "{older} {newer}");
    send_until(&mut load, "a new commit", || checkpoint(&engine) != older);
    // The last commit before may not have been published.
    assert!(checkpoint(&engine) >= newer, "numbers that were published are not used again");
    send_for_checkpoints(&engine, &mut load, 2);
    ends_with(&mut engine, &mut load, &|engine, expected| {
        let came = check::triggers_at_least(engine, expected);
        assert!(came >= expected.triggers.len());
    });
    let log = engine.log.join("\n");
    assert!(
        log.contains("can't be committed after checkpoint")
            || log.contains("the checkpoint store has gone back to an earlier state"),
        "{log}"
    );
}

#[test]
fn a_checkpoint_whose_blobs_are_gone_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("used").display().to_string();
    let environment =
        [("STRATEYE_FAIL_POINT", "check:before:4:hang".to_owned()), ("STRATEYE_FAIL_POINT_USED", used)];
    let (mut engine, mut load) = begin_in(Services::shared(), PARTITIONS, 2, &environment);
    let (processes, mut stopped) = (engine.processes(), None);
    send_until(&mut load, "a checkpoint is written and not committed", || {
        stopped = processes.iter().copied().find(|process| is_stopped(*process));
        stopped.is_some()
    });
    let (committed, manifest) = engine.committed().unwrap();
    let listed = manifest.to_string();
    let pattern = format!("{}:ckpt:*", engine.name);
    let mut keys: Vec<String> = engine.ask(cmd("KEYS").arg(pattern)).unwrap();
    keys.retain(|key| !listed.contains(&key[engine.name.len() + 1..]));
    assert_eq!(engine.ask(cmd("DEL").arg(&keys)), Some(keys.len()));
    assert!(!keys.is_empty());
    signal(stopped.unwrap(), Signal::CONT);
    engine.log_until("the checkpoint store has lost data");
    engine.log_until(&format!("resuming checkpoint={committed} generation=2"));
    ends_as_expected(&mut engine, &mut load);
}
