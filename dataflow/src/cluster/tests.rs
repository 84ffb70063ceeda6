//! Tests with whole clusters of real processes: this test program, started again.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use signal_hook::{
    consts::{SIGUSR1, SIGUSR2},
    iterator::Signals,
};
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Exchange, Inspect, vec::Input};

use super::*;

const ROLE: &str = "STRATEYE_TEST_ROLE";

/// This program, started again with `role`.
fn again(role: &str) -> Command {
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::entry"), "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).stdout(Stdio::null());
    command
}

/// Main function of a process that [`again`] started; not a test of its own.
#[test]
fn entry() {
    match std::env::var(ROLE).as_deref() {
        Ok("worker") => worker(),
        Ok("supervisor") => supervisor(),
        Ok("panic") => {
            install_panic_exit(PANICKED);
            thread::spawn(|| panic!("a\nreason")).join().unwrap();
        }
        Ok("contained") => {
            install_panic_exit(PANICKED);
            assert!(sources::contained::contain(|| panic!("caught")).is_none());
            std::process::exit(0);
        }
        _ => {}
    }
}

/// A member of a timely cluster. It reports what it receives from all workers; its worker loop hangs after
/// SIGUSR1, and a thread of it panics after SIGUSR2.
fn worker() {
    install_panic_exit(PANICKED);
    let assignment = Assignment::from_env().unwrap().unwrap();
    let ticks = Arc::new(AtomicU64::new(0));
    let hang = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&hang)).unwrap();
    let mut panics = Signals::new([SIGUSR2]).unwrap();
    thread::spawn(move || assert!(panics.forever().next().is_none(), "on a signal"));
    let link = ChildLink::connect(&assignment, Arc::clone(&ticks)).unwrap();
    let (stopping, sender) = (link.stopping(), link.sender());
    let membership = assignment.membership(1, 0x5eed).unwrap();
    let guards = execute(&membership, timely::WorkerConfig::default(), move |worker| {
        let sender = sender.clone();
        let peers = worker.peers();
        let received = std::cell::Cell::new(0);
        let mut input = InputHandle::new();
        worker.dataflow::<u64, _, _>(|scope| {
            scope.input_from(&mut input).exchange(|to: &u64| *to).inspect(move |_| {
                received.set(received.get() + 1);
                if received.get() == peers {
                    sender.send(json!({"met": peers, "pid": std::process::id()})).unwrap();
                }
            });
        });
        (0..peers).for_each(|peer| input.send(u64::try_from(peer).unwrap()));
        input.advance_to(1);
        while !stopping.load(Ordering::SeqCst) {
            if !hang.load(Ordering::SeqCst) {
                ticks.fetch_add(1, Ordering::Relaxed);
            }
            worker.step_or_park(Some(Duration::from_millis(20)));
        }
    })
    .unwrap();
    drop(guards);
    drop(link);
    std::process::exit(0);
}

/// A supervisor that reports on its standard output when its children run, and then waits.
fn supervisor() {
    let command = |_, _| {
        let mut command = again("worker");
        command.stdout(Stdio::inherit());
        command
    };
    let (supervisor, events) = Supervisor::start(SupervisorConfig::new(2), command).unwrap();
    for event in &events {
        if matches!(event, Event::Running { .. }) {
            println!("\nrunning");
        }
    }
    supervisor.wait().unwrap();
}

struct Cluster {
    supervisor: Supervisor,
    events: Receiver<Event>,
}

impl Cluster {
    fn start(hang_after: Duration) -> Self {
        let config = SupervisorConfig { hang_after, ..SupervisorConfig::new(3) };
        let (supervisor, events) = Supervisor::start(config, |_, _| again("worker")).unwrap();
        Self { supervisor, events }
    }

    /// Waits until all processes have connected and sent a heartbeat; returns their process ids.
    fn await_running(&self, generation: ClusterGeneration) -> Vec<i32> {
        let (mut pids, mut running) = (vec![0; 3], false);
        while pids.contains(&0) || !running {
            match self.events.recv_timeout(Duration::from_secs(30)).unwrap() {
                Event::Message { process, generation: from, message } => {
                    assert_eq!((from, &message["met"]), (generation, &json!(3)));
                    pids[process] = i32::try_from(message["pid"].as_i64().unwrap()).unwrap();
                }
                Event::Running { generation: now } => running = now == generation,
                Event::Started { generation: now } => assert_eq!(now, generation),
                event => panic!("{event:?}"),
            }
        }
        pids
    }

    /// Waits for the next restart; returns its cause.
    fn await_restart(&self) -> Exit {
        loop {
            if let Event::Restarting { cause, .. } =
                self.events.recv_timeout(Duration::from_secs(30)).unwrap()
            {
                return cause;
            }
        }
    }

    fn stop(self) {
        let started = Instant::now();
        assert_eq!(self.supervisor.stop().unwrap(), Outcome::Stopped);
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        let codes: Vec<_> = self.events.iter().filter_map(exit_code).collect();
        assert_eq!(codes, [0, 0, 0], "all stopped in good order");
    }
}

fn exit_code(event: Event) -> Option<i32> {
    if let Event::Exited(exit) = event { exit.code } else { None }
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn a_killed_process_and_a_panic_restart_the_cluster_and_are_named_as_causes() {
    let cluster = Cluster::start(Duration::from_secs(10));
    let pids = cluster.await_running(ClusterGeneration(1));
    signal(pids[1], Signal::KILL);
    let cause = cluster.await_restart();
    assert_eq!((cause.process, cause.generation.0, cause.signal), (1, 1, Some(9)), "{cause}");
    let pids = cluster.await_running(ClusterGeneration(2));
    signal(pids[2], Signal::USR2);
    let cause = cluster.await_restart();
    assert_eq!((cause.process, cause.generation.0, cause.code), (2, 2, Some(PANICKED)), "{cause}");
    cluster.await_running(ClusterGeneration(3));
    cluster.stop();
}

#[test]
fn a_stopped_process_and_a_hung_worker_loop_restart_the_cluster() {
    let cluster = Cluster::start(Duration::from_secs(2));
    let pids = cluster.await_running(ClusterGeneration(1));
    signal(pids[2], Signal::STOP);
    let cause = cluster.await_restart();
    assert_eq!((cause.process, cause.kind), (2, ExitKind::Hung), "{cause}");
    let pids = cluster.await_running(ClusterGeneration(2));
    signal(pids[0], Signal::USR1);
    let cause = cluster.await_restart();
    assert_eq!((cause.process, cause.kind), (0, ExitKind::Hung), "{cause}");
    cluster.await_running(ClusterGeneration(3));
    cluster.stop();
}

#[test]
fn a_stopped_process_does_not_hold_up_the_stop() {
    let cluster = Cluster::start(Duration::from_secs(60));
    let pids = cluster.await_running(ClusterGeneration(1));
    signal(pids[0], Signal::STOP);
    let started = Instant::now();
    assert_eq!(cluster.supervisor.stop().unwrap(), Outcome::Stopped);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn no_process_outlives_a_killed_supervisor() {
    let mut supervisor = again("supervisor").stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(supervisor.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "running" {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it never ran");
    }
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(output.read_to_end(&mut Vec::new())));
    // The children hold the other end of the pipe as long as they live.
    ended.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
}

#[test]
fn any_panic_ends_the_process_with_one_line_unless_it_is_contained() {
    let output = again("panic").stderr(Stdio::piped()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(PANICKED), "{error}");
    let lines: Vec<_> =
        error.lines().filter(|line| line.starts_with("strateye: panicked; exit 80: a reason")).collect();
    assert_eq!(lines.len(), 1, "{error}");
    assert_eq!(again("contained").stderr(Stdio::null()).status().unwrap().code(), Some(0));
}
