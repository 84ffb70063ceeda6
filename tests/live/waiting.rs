//! Conditions that tests wait for, and the frame of a test that disturbs an engine under load.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use strateye_tests::command::WITHIN;

use crate::{
    check,
    engine::{Engine, Services, position},
    load::{Load, now},
    rules::rules,
};

/// Pause between two polls: there is no notification of a commit or of a topic's growth.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until the wall clock passes an instant, unix ms, where a rule's span is the subject of a test.
pub(crate) fn pass(instant: i64) {
    thread::sleep(Duration::from_millis(u64::try_from(instant - now()).unwrap_or(0)));
}

/// Polls until `holds` is true.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_none(|| (!holds()).then(|| what.to_owned()));
}

/// Polls until `wanting` returns nothing; what it returns is reported if that takes too long.
fn until_none(mut wanting: impl FnMut() -> Option<String>) {
    let end = Instant::now() + 2 * WITHIN;
    while let Some(wanting) = wanting() {
        assert!(Instant::now() < end, "{wanting}: not so within {:?}", 2 * WITHIN);
        thread::sleep(POLL_INTERVAL);
    }
}

/// Sends events until `holds` is true.
pub(crate) fn send_until(load: &mut Load, what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || {
        load.send(10, POLL_INTERVAL);
        holds()
    });
}

/// Number of the last commit.
pub(crate) fn checkpoint(engine: &Engine) -> u64 {
    engine.committed().map_or(0, |(n, _)| n)
}

/// Waits until `more` further checkpoints are committed: the cluster reads, evaluates, delivers and commits.
pub(crate) fn checkpoints(engine: &Engine, more: u64) {
    let before = checkpoint(engine);
    until(&format!("{more} checkpoints after {before}"), || checkpoint(engine) >= before + more);
}

/// Like [`checkpoints`], sending events meanwhile.
pub(crate) fn send_for_checkpoints(engine: &Engine, load: &mut Load, more: u64) {
    let before = checkpoint(engine);
    send_until(load, &format!("{more} checkpoints after {before}"), || checkpoint(engine) >= before + more);
}

/// Waits until a checkpoint includes everything that was sent.
pub(crate) fn all_read(engine: &Engine, load: &Load) {
    until_none(|| {
        let manifest = engine.committed().map(|(_, manifest)| manifest).unwrap_or_default();
        let missing = |(partition, end): (u32, u64)| end.saturating_sub(position(&manifest, partition));
        let missing: Vec<u64> = (0..).zip(load.ends()).map(missing).collect();
        let some = missing.iter().any(|events| *events > 0);
        some.then(|| format!("all events are in a checkpoint, but for {missing:?} by partition"))
    });
}

/// An engine of its own with all rules in force, and its load.
pub(crate) fn begin(services: Services, processes: u32) -> (Engine, Load) {
    begin_in(services, crate::engine::PARTITIONS, processes, &[])
}

/// Like [`begin`], with a number of partitions, and variables in the engine's environment.
pub(crate) fn begin_in(
    services: Services,
    partitions: u32,
    processes: u32,
    environment: &[(&str, String)],
) -> (Engine, Load) {
    let mut engine = Engine::prepare_with(services, partitions);
    rules().iter().for_each(|rule| engine.publish(rule));
    engine.start_in(processes, environment);
    engine.log_until("rules in force");
    // Otherwise rules of an engine that dies now would be published anew, and the events before would be
    // history to them.
    checkpoints(&engine, 1);
    let load = Load::new(&engine, 1);
    (engine, load)
}

/// Sends the last events, and ends the engine when it has read everything; triggers and state are as if
/// nothing had happened.
pub(crate) fn ends_as_expected(engine: &mut Engine, load: &mut Load) {
    ends_with(engine, load, &check::triggers);
}

/// Like [`ends_as_expected`], with another check of the triggers.
pub(crate) fn ends_with(engine: &mut Engine, load: &mut Load, triggers: &dyn Fn(&Engine, &check::Expected)) {
    load.end();
    let rules: Vec<Json> = rules();
    let expected = check::expected(&rules, load);
    assert!(expected.triggers.len() > 50, "the rules fire: {}", expected.triggers.len());
    all_read(engine, load);
    // While the engine runs, and soon: state that is no longer touched expires.
    check::state(engine, &rules, &expected);
    until("what fired is published", || check::published(engine, "once").len() >= expected.triggers.len());
    engine.stop();
    triggers(engine, &expected);
}
