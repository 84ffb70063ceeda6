//! Killed processes, signals, and the end of input.

use std::io::Write;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, children, is_alive};

use crate::live::{FENCE, Live, fence};
use crate::scene::Scene;

/// Signals a process that this test started.
fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Counts `A`, and fires at `T`.
fn counting() -> Json {
    json!({"rule_id": "r", "trigger": {"event": {"id": "T"}}, "conditions": [
        {"id": "a", "calculator": "count", "event": {"id": "A"}}], "when": "a.value >= 0"})
}

#[test]
fn when_a_process_is_killed_all_start_again_and_events_fire_again() {
    let scene = Scene::new();
    scene.put(&counting());
    let mut live = Live::over_folder(scene);
    let mut former: Vec<u32> = Vec::new();
    // Its first process, which reads the events and the rules, and then the last.
    for (generation, which) in [(2, 0), (3, 2)] {
        let processes = children(live.running.pid());
        assert_eq!(processes.len(), 3, "{processes:?}");
        assert!(processes.iter().all(|process| !former.contains(process)), "{former:?} {processes:?}");
        assert_eq!(live.values(1, &["A", "T"]).len(), 1);
        signal(processes[which], Signal::KILL);
        live.running.log_until("the restart", |line| {
            line.contains(&format!("restarting as generation {generation}")).then_some(())
        });
        live.await_rule(FENCE, 1, "live");
        for user in 1..20 {
            assert_eq!(live.values(user, &["T"]).len(), 1, "generation {generation}, user {user}");
        }
        former = processes;
    }
    let all = children(live.running.pid());
    live.end();
    assert!(!former.iter().chain(&all).any(|pid| is_alive(*pid)));
}

#[test]
fn a_cluster_that_fails_again_and_again_is_given_up() {
    let mut live = Live::over_folder(Scene::new());
    for restart in 1..=5 {
        signal(children(live.running.pid())[1], Signal::KILL);
        let generation = format!("restarting as generation {}", restart + 1);
        live.running.log_until(&generation, |line| line.contains(&generation).then_some(()));
        live.await_rule(FENCE, 1, "live");
    }
    let last = children(live.running.pid());
    signal(last[1], Signal::KILL);
    let finished = live.running.wait();
    assert_eq!(finished.code, Some(1), "{}", finished.all());
    assert!(
        finished.log.last().unwrap().contains("is not restarted again; look at the log of process"),
        "{}",
        finished.all()
    );
    assert!(!last.iter().any(|pid| is_alive(*pid)));
}

#[test]
fn interrupt_and_termination_end_a_run_well() {
    for how in [Signal::INT, Signal::TERM] {
        let mut live = Live::over_folder(Scene::new());
        assert_eq!(live.fired(1), [] as [Json; 0]);
        let processes = children(live.running.pid());
        assert_eq!(processes.len(), 3);
        signal(live.running.pid(), how);
        let finished = live.running.wait();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
        assert!(!processes.iter().any(|pid| is_alive(*pid)), "{}", finished.all());
        assert!(finished.log.last().unwrap().contains("ended events=1 triggers=1"), "{}", finished.all());
    }
}

#[test]
fn processes_do_not_outlive_a_killed_supervisor() {
    let mut live = Live::over_folder(Scene::new());
    assert_eq!(live.fired(1), [] as [Json; 0]);
    let processes = children(live.running.pid());
    signal(live.running.pid(), Signal::KILL);
    // The pipes close only when no process is left to write to them.
    let finished = live.running.wait();
    assert_eq!(finished.code, None);
    assert!(!processes.iter().any(|pid| is_alive(*pid)), "{}", finished.all());
}

#[test]
fn the_end_of_input_ends_a_run_after_its_last_trigger() {
    let scene = Scene::new();
    scene.put(&counting());
    let mut live = Live::over_folder(scene);
    (1..501).for_each(|user| live.send(user, "T"));
    let finished = live.end();
    assert_eq!(finished.output.len(), 500);
}

#[test]
fn a_run_without_events_stays_for_its_rules() {
    let scene = Scene::with(&[fence()], &[]);
    let mut running = Running::start(&mut scene.command(&["run", "--rules", "rules", "--processes", "2"]));
    running.log_until("the first rule", |line| line.contains("rule in force").then_some(()));
    scene.put(&counting());
    running.log_until("the second rule", |line| {
        (line.contains("rule in force") && line.contains(counting()["rule_id"].as_str().unwrap()))
            .then_some(())
    });
    signal(running.pid(), Signal::INT);
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
}

#[test]
fn an_interrupted_replay_ends_at_once_and_leaves_no_process() {
    let scene = Scene::with(&[fence()], &[]);
    let pipe = scene.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments =
        ["replay", "--rules", "rules", "--events", "pipe", "--publish-at", "0", "--processes", "3"];
    let mut running = Running::start(&mut scene.command(&arguments));
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    writeln!(writer, r#"{{"guid": 1, "event_id": "fence", "event_time": 1790035200000}}"#).unwrap();
    assert!(running.output_line().contains(FENCE));
    let processes = children(running.pid());
    assert_eq!(processes.len(), 3);
    signal(running.pid(), Signal::INT);
    let finished = running.wait();
    assert!(!processes.iter().any(|pid| is_alive(*pid)), "{}", finished.all());
    // The file was not replayed to its end: the user of the triggers must be informed.
    assert_eq!(finished.code, Some(1), "{}", finished.all());
}
