#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Instant;

use super::*;

/// A child that is a shell script.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

const FOREVER: &str = "exec sleep 600";

fn exits(events: &[Event]) -> Vec<(usize, u64, Option<i32>, ExitKind)> {
    let exit = |event: &Event| match event {
        Event::Exited(exit) => Some((exit.process, exit.generation.0, exit.code, exit.kind)),
        _ => None,
    };
    events.iter().filter_map(exit).collect()
}

fn restarting(restart: Restart) -> SupervisorConfig {
    SupervisorConfig { restart, ..SupervisorConfig::new(3) }
}

fn run(
    config: SupervisorConfig,
    command: impl FnMut(usize, ClusterGeneration) -> Command + Send + 'static,
) -> (Result<Outcome, SupervisorError>, Vec<Event>) {
    let (supervisor, events) = Supervisor::start(config, command).unwrap();
    let events = events.iter().collect();
    (supervisor.wait(), events)
}

#[test]
fn a_dead_child_restarts_all_and_finished_children_finish_the_cluster() {
    let config = SupervisorConfig { first_generation: ClusterGeneration(5), ..SupervisorConfig::new(3) };
    let (outcome, events) = run(config, |process, generation| match (process, generation.0) {
        (1, 5) => shell("exit 3"),
        (_, 5) => shell(FOREVER),
        _ => shell("exit 0"),
    });
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    let mut exits = exits(&events);
    exits.sort_by_key(|(process, generation, ..)| (*generation, *process));
    let finished = |process| (process, 6, Some(0), ExitKind::Finished);
    let killed = |process| (process, 5, None, ExitKind::KilledWithOthers);
    let failed = (1, 5, Some(3), ExitKind::Failed);
    assert_eq!(exits, [killed(0), failed, killed(2), finished(0), finished(1), finished(2)]);
    assert!(events.contains(&Event::Started { generation: ClusterGeneration(6) }));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Restarting { generation: ClusterGeneration(6), cause, .. }
        if cause.process == 1 && cause.reason.contains("exit code 3")))
    );
}

#[test]
fn a_restart_storm_ends_with_what_happened() {
    let restart = Restart::Limited { max: 2, within: Duration::from_secs(60) };
    let (outcome, events) = run(restarting(restart), |process, _| match process {
        2 => shell("exit 7"),
        _ => shell(FOREVER),
    });
    let error = outcome.unwrap_err();
    assert!(matches!(&error, SupervisorError::Storm { restarts: 2, cause, .. } if cause.process == 2));
    assert!(error.to_string().contains("failed 3 times within 60s"), "{error}");
    assert!(error.to_string().contains("exit code 7"), "{error}");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Started { .. })).count(), 3);
}

#[test]
fn never_means_never_and_a_consequence_is_not_the_cause() {
    // Process 1 reports a lost peer before process 0, which is what it lost, is seen to have died.
    let (outcome, events) = run(restarting(Restart::Never), |process, _| match process {
        0 => shell("sleep 0.05; kill -11 $$"),
        1 => shell("exit 81"),
        _ => shell(FOREVER),
    });
    let SupervisorError::Failed { cause } = outcome.unwrap_err() else { panic!("not failed") };
    assert_eq!((cause.process, cause.signal), (0, Some(11)), "{cause}");
    assert_eq!(exits(&events).len(), 3);
}

#[test]
fn a_child_without_a_first_heartbeat_never_started() {
    let start_within = Duration::from_millis(200);
    let config = SupervisorConfig { start_within, ..restarting(Restart::Never) };
    let (outcome, _) = run(config, |_, _| shell(FOREVER));
    let SupervisorError::Failed { cause } = outcome.unwrap_err() else { panic!("not failed") };
    assert_eq!(cause.kind, ExitKind::NeverStarted);
    assert_eq!(cause.signal, Some(9));
}

#[test]
fn children_that_do_not_follow_the_finished_are_a_failure() {
    let finish_within = Duration::from_millis(200);
    let config = SupervisorConfig { finish_within, ..restarting(Restart::Never) };
    let (outcome, _) = run(config, |process, _| if process == 0 { shell("exit 0") } else { shell(FOREVER) });
    let SupervisorError::Failed { cause } = outcome.unwrap_err() else { panic!("not failed") };
    assert_eq!((cause.process, cause.kind), (1, ExitKind::NeverFinished));
}

#[test]
fn stubborn_children_and_grandchildren_are_gone_in_two_seconds() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let command = move |_, _| {
        let mut command = shell("trap '' TERM; sleep 600 & echo up; wait; wait");
        command.stdout(writer.try_clone().unwrap());
        command
    };
    let (supervisor, events) = Supervisor::start(SupervisorConfig::new(3), command).unwrap();
    reader.read_exact(&mut [0; 9]).unwrap();
    let started = Instant::now();
    assert_eq!(supervisor.stop().unwrap(), Outcome::Stopped);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let events: Vec<_> = events.iter().collect();
    assert!(exits(&events).iter().all(|(.., kind)| *kind == ExitKind::Stopped));
    assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0, "somebody still holds the pipe");
}

#[test]
fn dropping_stops_and_removes_the_run_directory() {
    let (supervisor, events) = Supervisor::start(SupervisorConfig::new(2), |_, _| shell(FOREVER)).unwrap();
    let directory = supervisor.directory().to_owned();
    assert!(directory.join("secret").exists());
    drop(supervisor);
    assert!(!directory.exists());
    assert!(matches!(events.iter().last(), Some(Event::Exited(_))));
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_at_once() {
    let (outcome, _) = run(SupervisorConfig::new(2), |process, _| match process {
        0 => shell(FOREVER),
        _ => Command::new("/nonexistent/strateye"),
    });
    assert!(matches!(outcome, Err(SupervisorError::Spawn { process: 1, .. })));
    let none = Supervisor::start(SupervisorConfig::new(0), |_, _| shell(FOREVER));
    assert!(matches!(none, Err(SupervisorError::NoProcesses)));
}

/// Children that are shells never connect, so the test connects and reports for them.
#[test]
fn the_control_socket_serves_children_and_shrugs_off_others() {
    let (supervisor, events) = Supervisor::start(SupervisorConfig::new(1), |_, _| shell(FOREVER)).unwrap();
    let connect = || UnixStream::connect(supervisor.directory().join("control.sock")).unwrap();
    let _silent = connect();
    for garbage in [
        "GET / HTTP/1.1\r\n\r\n",
        "{\"process\":0}\n",
        "{\"process\":0,\"generation\":1,\"body\":{\"message\":1}}\n",
    ] {
        let mut stranger = connect();
        stranger.write_all(garbage.as_bytes()).unwrap();
        assert_eq!(stranger.read(&mut [0; 8]).unwrap_or(0), 0, "{garbage}");
    }
    let mut stale = connect();
    stale.write_all(b"{\"process\":0,\"generation\":0,\"body\":{\"hello\":{\"pid\":1}}}\n").unwrap();
    stale.write_all(b"{\"process\":0,\"generation\":0,\"body\":{\"message\":\"stale\"}}\n").unwrap();
    let mut child = connect();
    for body in ["{\"hello\":{\"pid\":1}}", "{\"heartbeat\":{\"ticks\":1}}", "{\"message\":{\"rate\":12}}"] {
        writeln!(child, "{{\"process\":0,\"generation\":1,\"body\":{body}}}").unwrap();
    }
    assert_eq!(events.recv().unwrap(), Event::Started { generation: ClusterGeneration(1) });
    assert_eq!(events.recv().unwrap(), Event::Running { generation: ClusterGeneration(1) });
    let message = serde_json::json!({"rate": 12});
    assert_eq!(
        events.recv().unwrap(),
        Event::Message { process: 0, generation: ClusterGeneration(1), message }
    );
    supervisor.handle().request_stop().unwrap();
    let mut orders = String::new();
    let mut reader = child.try_clone().unwrap();
    assert_eq!(supervisor.stop().unwrap(), Outcome::Stopped);
    reader.read_to_string(&mut orders).unwrap();
    assert_eq!(orders, "\"stop\"\n");
}
