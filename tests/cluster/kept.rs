//! State kept over crashes and restarts: conditions, positions, and rules with their versions, pauses, crowds
//! and quarantines.
//!
//! A crash loses everything since the last checkpoint, and standard input can't be read twice: so tests that
//! continue step by step wait for a checkpoint that includes everything sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, WITHIN, children};

use crate::live::{FENCE, Live, fence, resume};
use crate::scene::Scene;

const SETTINGS: &str = "checkpoint_ms = 50\nerror_budget = 3\n";
const PLACES: [&str; 6] = ["--config", "settings.toml", "--rules", "rules.db", "--state", "state.db"];

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Number and manifest of the last checkpoint in a state file.
fn committed(path: &Path) -> Option<(u64, Json)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    connection.busy_timeout(WITHIN).unwrap();
    let row = connection.query_row("SELECT n, manifest FROM committed", [], |row| {
        Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
    });
    let (n, manifest) = row.ok()?;
    Some((n?, serde_json::from_slice(&manifest?).unwrap()))
}

/// The first offset of the only partition that a manifest does not include.
fn position(manifest: &Json) -> u64 {
    manifest["positions"][0][1].as_u64().unwrap_or(0)
}

/// Waits until `holds` is true of the last checkpoint.
fn await_committed(path: &Path, what: &str, holds: impl Fn(u64, &Json) -> bool) -> (u64, Json) {
    let begun = Instant::now();
    loop {
        let last = committed(path);
        if let Some((n, manifest)) = last.clone().filter(|(n, manifest)| holds(*n, manifest)) {
            return (n, manifest);
        }
        assert!(begun.elapsed() < WITHIN, "{what}: {last:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a checkpoint that was started after everything sent and logged so far.
fn await_all_kept(live: &Live, path: &Path) {
    // The one in progress may have been started before.
    let before = committed(path).map_or(0, |(n, _)| n);
    let sent = live.sent;
    await_committed(path, "everything is kept", |n, manifest| n >= before + 2 && position(manifest) >= sent);
}

fn rule(event: &str, least: u64) -> String {
    json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "when": format!("a.value >= {least}"), "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": event}}]})
    .to_string()
}

fn publish(scene: &Scene, document: &str) {
    scene.write("document.json", document);
    scene.succeed(&["rule", "publish", "--rules", "rules.db", "document.json"]);
}

fn command(live: &Live, arguments: &[&str]) {
    live.succeed(&[&["rule", arguments[0], "--rules", "rules.db"], &arguments[1..]].concat());
}

fn counts(values: &[Json]) -> Vec<u64> {
    values.iter().map(|values| values["a"]["value"].as_u64().unwrap()).collect()
}

/// A rule store that contains the fence.
fn store() -> Scene {
    let scene = Scene::new();
    scene.write("settings.toml", SETTINGS);
    publish(&scene, &fence().to_string());
    scene
}

/// Version, status and state of a rule in the store.
fn listed(live: &Live, rule_id: &str) -> Vec<String> {
    let lines = live.succeed(&["rule", "list", "--rules", "rules.db"]).output;
    let line = lines.iter().find(|line| line.starts_with(&format!("{rule_id}\t"))).expect("the rule");
    line.split('\t').skip(1).take(3).map(str::to_owned).collect()
}

/// Kills a process of the cluster and waits until all of them run again.
fn crash(live: &mut Live, which: usize, generation: u64) {
    signal(children(live.running.pid())[which], Signal::KILL);
    let restarting = format!("restarting as generation {generation}");
    live.running.log_until(&restarting, |line| line.contains(&restarting).then_some(()));
    live.running.log_until("resuming", |line| line.contains("resuming").then_some(()));
}

#[test]
fn after_a_crash_all_rules_are_as_before() {
    let script = "fn init(params) { #{ value: 0 } } fn on_event(state, event, params) { state.value += 6 / event.x; } \
                  fn outputs(state, params, now) { #{ value: state.value } }";
    let failing = json!({"rule_id": "failing", "trigger": {"event": {"id": "F"}}, "conditions": [
        {"id": "c", "calculator": {"script": script}, "event": {"id": "F"}, "met": "value >= 1"}]});
    let crowd = |guids: &[u64]| {
        json!({"rule_id": "some", "crowd": {"guids": guids}, "trigger": {"event": {"id": "S"}}, "when": "a.value >= 0", "conditions": [
            {"id": "a", "calculator": "count", "event": {"id": "A"}}]})
        .to_string()
    };
    let mut live = resume(store(), 0, &[&PLACES[..], &["--processes", "3"]].concat());
    live.await_rule(FENCE, 1, "live");
    for (version, least) in [(1, 9), (2, 0)] {
        publish(&live.scene, &rule("A", least));
        live.await_rule("r", version, "live");
    }
    publish(&live.scene, &crowd(&[1, 2]));
    live.await_rule("some", 1, "live");
    publish(&live.scene, &failing.to_string());
    live.await_rule("failing", 1, "live");
    for user in [1, 2] {
        assert_eq!(counts(&live.values(user, &["A", "A", "T"])), [2]);
    }
    publish(&live.scene, &crowd(&[1]));
    live.await_rule("some", 2, "live");
    command(&live, &["pause", "r"]);
    live.await_rule("r", 2, "paused");
    assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0]);
    (0..9).for_each(|_| live.send_with(1, "F", json!({"x": 0})));
    live.await_rule("failing", 1, "quarantined");

    // Its first process, which reads events and rules, and then the last.
    for (generation, which) in [(2, 0), (3, 2)] {
        let path = live.scene.path("state.db");
        await_all_kept(&live, &path);
        crash(&mut live, which, generation);
        live.send_with(1, "F", json!({"x": 1}));
        assert_eq!(live.values(1, &["A", "T"]), [] as [Json; 0], "paused and quarantined still");
        assert_eq!(live.values(2, &["A", "S"]), [] as [Json; 0], "outside the crowd still");
        assert_eq!(listed(&live, "r"), ["2", "paused", "paused"]);
        assert_eq!(listed(&live, "failing"), ["1", "online", "quarantined"]);
    }
    command(&live, &["resume", "r", "--gap", "skip"]);
    live.await_rule("r", 2, "live");
    assert_eq!(counts(&live.values(1, &["A", "T"])), [3], "two before the pause, none in it, one now");
    publish(&live.scene, &crowd(&[1, 2]));
    live.await_rule("some", 3, "live");
    assert_eq!(counts(&live.values(2, &["S"])), [2], "who comes back has what was there before");
    publish(&live.scene, &failing.to_string().replace("6 / event.x", "event.x"));
    live.await_rule("failing", 2, "live");
    live.send_with(1, "F", json!({"x": 5}));
    assert_eq!(live.fired(1).len(), 1, "mended");
    live.end();
}

#[test]
fn a_run_without_a_state_option_keeps_its_state_over_a_crash() {
    let scene = store();
    publish(&scene, &rule("A", 0));
    fs::create_dir(scene.path("temporary")).unwrap();
    let mut command = scene.command(&[
        "run",
        "--events",
        "-",
        "--config",
        "settings.toml",
        "--rules",
        "rules.db",
        "--processes",
        "2",
    ]);
    command.env("TMPDIR", scene.path("temporary"));
    let mut live = Live { running: Running::start(&mut command), scene, sent: 0 };
    live.await_rule(FENCE, 1, "live");
    assert_eq!(counts(&live.values(1, &["A", "A", "T"])), [2]);
    let entries = fs::read_dir(live.scene.path("temporary")).unwrap();
    let mut files = entries.map(|entry| entry.unwrap().path().join("state.db"));
    await_all_kept(&live, &files.find(|file| file.exists()).expect("a file of state"));
    crash(&mut live, 1, 2);
    assert_eq!(counts(&live.values(1, &["A", "T"])), [3]);
    let temporary = live.scene.path("temporary");
    let running = live.running;
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(fs::read_dir(temporary).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn a_second_run_continues_where_the_first_ended_with_other_processes() {
    let scene = store();
    publish(&scene, &rule("A", 0));
    let start = |scene: Scene, sent: u64, processes: &str| {
        resume(scene, sent, &[&PLACES[..], &["--processes", processes]].concat())
    };
    let mut live = start(scene, 0, "2");
    live.await_rule(FENCE, 1, "live");
    (1..31).for_each(|user| assert_eq!(counts(&live.values(user, &["A", "T"])), [1]));
    command(&live, &["pause", "r"]);
    live.await_rule("r", 1, "paused");
    (1..31).step_by(2).for_each(|user| assert_eq!(live.values(user, &["A"]), [] as [Json; 0]));
    let Live { scene, running, sent } = live;
    assert_eq!(running.wait().code, Some(0));

    // Still paused, then resumed while no engine runs.
    let mut live = start(scene, sent, "4");
    live.running.log_until("resuming", |line| line.contains("resuming").then_some(()));
    (1..31).step_by(3).for_each(|user| assert_eq!(live.values(user, &["A", "T"]), [] as [Json; 0]));
    let Live { scene, running, sent } = live;
    assert_eq!(running.wait().code, Some(0));
    scene.succeed(&["rule", "resume", "--rules", "rules.db", "r", "--gap", "skip"]);

    let mut live = start(scene, sent, "3");
    live.await_rule("r", 1, "live");
    (1..31).for_each(|user| assert_eq!(counts(&live.values(user, &["A", "T"])), [2], "user {user}"));
    let Live { scene, running, sent } = live;
    assert_eq!(running.wait().code, Some(0));

    let mut live = start(scene, sent, "1");
    live.running.log_until("resuming", |line| line.contains("resuming").then_some(()));
    (1..31).for_each(|user| {
        assert_eq!(counts(&live.values(user, &["A", "T"])), [3], "what was skipped stays so")
    });
    live.end();
}

/// Events of the far future, so that none lies before the rules are published.
fn far_events(count: u64) -> Vec<String> {
    let kinds = ["A", "A", "B", "C", "T"];
    let event = |n: u64| {
        let (user, kind) = (n * n % 997 % 300 + 1, kinds[(n * 7 % 31 % 5) as usize]);
        json!({"guid": user, "event_id": kind, "event_time": 4_000_000_000_000u64 + n * 10, "properties": {"n": n}}).to_string()
    };
    (0..count).map(event).collect()
}

/// Rule, key and cause of every trigger in a file. Those of the same have the same id, however often they were sent.
fn firings(path: &Path) -> BTreeSet<String> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let trigger: Json = serde_json::from_str(line).unwrap();
        let firing = json!([trigger["rule_id"], trigger["key"], trigger["cause"]]).to_string();
        let id = trigger["trigger_id"].to_string();
        assert_eq!(ids.entry(firing).or_insert_with(|| id.clone()), &id, "{line}");
    }
    let different: BTreeSet<&String> = ids.values().collect();
    assert_eq!(different.len(), ids.len(), "no two firings have one id");
    ids.into_keys().collect()
}

/// Rules with limits, edges, timers and windows.
fn rules() -> [Json; 3] {
    [
        json!({"rule_id": "counts", "trigger": {"event": {"id": "T"}}, "when": "a.value % 3 == 0", "limit": {"times": 2, "per": "5m"}, "conditions": [
            {"id": "a", "calculator": "count", "event": {"id": "A"}}]}),
        json!({"rule_id": "edges", "trigger": "satisfied", "reset": true, "conditions": [
            {"id": "b", "calculator": "count", "event": {"id": ["A", "B"]}, "window": {"last": "2m"}, "met": "value >= 8"}]}),
        json!({"rule_id": "timers", "trigger": {"each": "n"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "A"}, {"id": "C"}], "params": {"within": "40s"}}]}),
    ]
}

#[test]
fn a_file_read_in_parts_fires_what_it_fires_when_read_at_once() {
    // Many more than are read until a commit is seen, even on a busy machine.
    const EVENTS: u64 = 300_000;
    let scene = Scene::with(&rules(), &far_events(EVENTS));
    // In small batches, so that it can be stopped in the middle.
    scene.write("settings.toml", &format!("{SETTINGS}read_ahead_bytes = 65536\n"));
    let common = ["run", "--config", "settings.toml", "--rules", "rules", "--events", "events.jsonl"];
    let whole = ["--state", "none", "--triggers", "whole.jsonl", "--processes", "2"];
    scene.succeed(&[&common[..], &whole].concat());
    let wanted = firings(&scene.path("whole.jsonl"));
    assert!(wanted.len() > 1_000, "{} triggers", wanted.len());

    let path = scene.path("state.db");
    let mut at = 0;
    for (processes, how) in [("3", Signal::TERM), ("1", Signal::KILL), ("2", Signal::TERM)] {
        let parts = ["--state", "state.db", "--triggers", "parts.jsonl", "--processes", processes];
        let running = Running::start(&mut scene.command(&[&common[..], &parts].concat()));
        await_committed(&path, "it goes on", |_, manifest| position(manifest) > at);
        signal(running.pid(), how);
        let finished = running.wait();
        assert_eq!(finished.code, (how == Signal::TERM).then_some(0), "{}", finished.all());
        at = position(&committed(&path).unwrap().1);
        assert!(at < EVENTS, "it was to be stopped in the middle");
    }
    scene.succeed(
        &[&common[..], &["--state", "state.db", "--triggers", "parts.jsonl", "--processes", "4"]].concat(),
    );
    assert_eq!(position(&committed(&path).unwrap().1), EVENTS);
    let parts = firings(&scene.path("parts.jsonl"));
    let missing: Vec<&String> = wanted.difference(&parts).take(3).collect();
    let more: Vec<&String> = parts.difference(&wanted).take(3).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}, too many {more:?}");
    scene.write("again.jsonl", "");
    scene.succeed(
        &[&common[..], &["--state", "state.db", "--triggers", "again.jsonl", "--processes", "2"]].concat(),
    );
    assert_eq!(firings(&scene.path("again.jsonl")).len(), 0, "nothing is left to be read");
}

#[test]
fn what_is_read_again_after_a_crash_is_held_against_the_same_wall_clock() {
    // Events of a far year are taken as of the moment at which they are read.
    const EVENTS: u64 = 200_000;
    let fires = json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}});
    let scene = Scene::with(&[fires], &far_events(EVENTS));
    scene.write("settings.toml", "checkpoint_ms = 1000\nread_ahead_bytes = 65536\n");
    let arguments = ["run", "--config", "settings.toml", "--rules", "rules", "--events", "events.jsonl"];
    let outputs = ["--state", "state.db", "--triggers", "triggers.jsonl", "--processes", "2"];
    let running = Running::start(&mut scene.command(&[&arguments[..], &outputs].concat()));
    await_committed(&scene.path("state.db"), "it goes on", |_, manifest| position(manifest) > 0);
    let lines = || fs::read_to_string(scene.path("triggers.jsonl")).unwrap().lines().count();
    let (before, begun) = (lines(), Instant::now());
    while lines() == before {
        assert!(begun.elapsed() < WITHIN, "more triggers");
        // A file gives no notice of a line.
        thread::sleep(Duration::from_millis(1));
    }
    signal(children(running.pid())[1], Signal::KILL);
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
    assert!(finished.all().contains("restarting as generation 2"), "{}", finished.all());
    let mut fired: BTreeMap<String, String> = BTreeMap::new();
    for line in fs::read_to_string(scene.path("triggers.jsonl")).unwrap().lines() {
        let trigger: Json = serde_json::from_str(line).unwrap();
        let first = fired.entry(trigger["trigger_id"].to_string()).or_insert_with(|| line.to_owned());
        assert_eq!(first, line, "sent again as it was");
    }
    assert_eq!(position(&committed(&scene.path("state.db")).unwrap().1), EVENTS);
}
