//! A store of the state that is emptied, or replaced by an older one.

use std::{fs, sync::Arc};

use serde_json::Value as Json;
use strateye_tests::services::Redis;

use crate::{
    engine::{Engine, Services, Store},
    load::Load,
    waiting::{begin, checkpoint, checkpoints, send_for_checkpoints, until},
};

fn services() -> Services {
    Services { redis: Arc::new(Store::Single(Redis::start())), ..Services::shared() }
}

fn flush(engine: &Engine) {
    let flushed: Option<String> = engine.ask(&redis::cmd("FLUSHALL"));
    assert_eq!(flushed.as_deref(), Some("OK"));
}

/// Waits until the engine ends, as its state is gone.
fn ends_without_state(engine: &mut Engine) {
    let finished = engine.let_go().wait();
    let said = finished.log.iter().any(|line| {
        ["the state is gone", "that it held checkpoint", "--fresh-state"]
            .iter()
            .all(|part| line.contains(part))
    });
    assert!(said && finished.code != Some(0), "{:?} {:#?}", finished.code, finished.log);
}

/// Waits until the row of the mark is there.
fn await_mark(engine: &Engine) {
    let marked = format!("SELECT 1 FROM {}.rule_status WHERE rule_id LIKE '@state:%'", engine.name);
    until("the mark is written beside the rules", || !engine.services.mysql.query(&marked).is_empty());
}

#[test]
fn an_emptied_store_stops_the_engine_until_that_is_accepted_and_then_once() {
    let (mut engine, mut load) = begin(services(), 2);
    send_for_checkpoints(&engine, &mut load, 2);
    await_mark(&engine);
    flush(&engine);
    ends_without_state(&mut engine);
    // As after a reboot: the run directory is gone, the row beside the rules is not.
    engine.start(2);
    ends_without_state(&mut engine);
    engine.start_with(2, &["--fresh-state"]);
    checkpoints(&engine, 1);
    send_for_checkpoints(&engine, &mut load, 2);
    flush(&engine);
    ends_without_state(&mut engine);
}

fn dump(engine: &Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys: Vec<Vec<u8>> = engine.ask(redis::cmd("KEYS").arg("*")).unwrap();
    // A blob may have been removed meanwhile.
    keys.into_iter().filter_map(|key| Some((key.clone(), engine.ask(redis::cmd("DUMP").arg(key))?))).collect()
}

fn marked(engine: &Engine) -> u64 {
    let text = fs::read_to_string(engine.folder().join("mark.json")).unwrap_or_default();
    let content: Json = serde_json::from_str(&text).unwrap_or_default();
    let mark: Json = serde_json::from_str(content["mark"].as_str().unwrap_or_default()).unwrap_or_default();
    mark["n"].as_u64().unwrap_or_default()
}

#[test]
fn a_store_restored_from_a_backup_is_told_and_resumed() {
    let mut engine = Engine::prepare(services());
    engine.set("state_mark = \"mark.json\"");
    engine.start(2);
    let mut load = Load::new(&engine, 1);
    send_for_checkpoints(&engine, &mut load, 2);
    engine.stop();
    let (backup, last) = (dump(&engine), checkpoint(&engine));
    engine.start(2);
    send_for_checkpoints(&engine, &mut load, 2);
    until("a later mark", || marked(&engine) > last);
    engine.kill();
    flush(&engine);
    for (key, value) in backup {
        let restored: Option<String> = engine.ask(redis::cmd("RESTORE").arg(key).arg(0).arg(value));
        assert_eq!(restored.as_deref(), Some("OK"));
    }
    let number = marked(&engine);
    engine.start(2);
    engine.log_until(&format!("its last checkpoint is {last}, and {number} was committed"));
    until("a checkpoint above the mark", || checkpoint(&engine) > number);
    engine.stop();
}
