//! A receiver that is away: checkpoints, other sinks and a clean stop go on, and it gets everything when it is
//! back, in order.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use strateye_tests::command::{Running, WITHIN};

use crate::{
    live::{FENCE, Live, fence, resume},
    scene::Scene,
};

/// An address of this machine at which nothing listens.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Opens a receiver at the address that takes everything; returns the bodies of its requests.
fn open(address: SocketAddr) -> Receiver<Json> {
    let listener = TcpListener::bind(address).unwrap();
    let (say, bodies) = channel();
    // The threads end with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let say = say.clone();
            thread::spawn(move || answer(stream, &say));
        }
    });
    bodies
}

fn answer(mut stream: TcpStream, say: &Sender<Json>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let head = line.to_ascii_lowercase();
            length = head.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
            line.clear();
        }
        let mut body = vec![0; length];
        if line.is_empty() || reader.read_exact(&mut body).is_err() {
            return;
        }
        // The test may have seen enough.
        let _ = say.send(serde_json::from_slice(&body).unwrap());
        if write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn settings(address: SocketAddr, spool: &str) -> String {
    format!(
        "checkpoint_ms = 50\nrules = \"rules\"\nstate = \"state.db\"\nprocesses = 2\n{spool}\n\
         [[sinks]]\nlines = \"stdout\"\n\
         [[sinks]]\n[sinks.webhook]\nurl = \"http://{address}/hook\"\ndead_letters = \"dead.jsonl\"\n\
         first_backoff_ms = 10\nlongest_backoff_ms = 100\nconcurrency = 1\n"
    )
}

fn scene(address: SocketAddr, spool: &str) -> Scene {
    let scene = Scene::new();
    scene.put(&fence());
    scene.write("strateye.toml", &settings(address, spool));
    scene
}

const CONFIG: [&str; 2] = ["--config", "strateye.toml"];

/// Number of the last checkpoint, and the first offset that it does not include.
fn committed(scene: &Scene) -> Option<(u64, u64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(scene.path("state.db"), flags).ok()?;
    connection.busy_timeout(WITHIN).unwrap();
    let row = connection.query_row("SELECT n, manifest FROM committed", [], |row| {
        Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
    });
    let (n, manifest) = row.ok()?;
    let manifest: Json = serde_json::from_slice(&manifest?).unwrap();
    Some((n?, manifest["positions"][0][1].as_u64().unwrap_or(0)))
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + WITHIN;
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come");
        // Pause between two looks at files.
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a checkpoint that was begun after everything sent so far.
fn await_all_kept(live: &Live) {
    let before = committed(&live.scene).map_or(0, |(number, _)| number);
    wait_for("a checkpoint of everything", || {
        committed(&live.scene).is_some_and(|(number, position)| number > before + 1 && position >= live.sent)
    });
}

/// Sends an event for which the fence fires, and waits for its trigger at the other sink.
fn fire(live: &mut Live, count: u64) {
    for guid in 1..=count {
        assert!(live.fired(guid).is_empty());
    }
}

fn interrupt(running: Running) {
    kill_process(Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap(), Signal::INT).unwrap();
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
}

/// The `n` of the first `count` different triggers that arrive, in their order.
fn arrived(bodies: &Receiver<Json>, count: usize) -> Vec<u64> {
    let (mut seen, mut numbers) = (BTreeSet::new(), Vec::new());
    while numbers.len() < count {
        let body = bodies.recv_timeout(WITHIN).unwrap_or_else(|_| panic!("{numbers:?} came, not {count}"));
        if seen.insert(body["trigger_id"].to_string()) {
            numbers.push(body["action"].as_str().unwrap().parse().unwrap());
        }
    }
    numbers
}

#[test]
fn a_closed_port_stops_nothing_else_and_gets_all_when_it_opens() {
    let address = closed_port();
    let scene = scene(address, "[spool]\nafter_ms = 100");
    let mut live = resume(scene, 0, &CONFIG);
    live.await_rule(FENCE, 1, "live");

    // The other sink has its triggers, and checkpoints go on.
    fire(&mut live, 5);
    live.running.log_until("the breaker opens", |line| line.contains("go to the spool").then_some(()));
    await_all_kept(&live);
    fire(&mut live, 3);
    await_all_kept(&live);
    let sent = live.sent;

    // A clean stop ends, with the triggers in private files.
    let Live { scene, running, .. } = live;
    interrupt(running);
    let spool = fs::read_dir(scene.path("strateye.spool")).unwrap().next().unwrap().unwrap().path();
    let files: Vec<_> = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.iter().any(|file| file.path().extension().is_some()), "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }

    // Another number of processes finds the spool; the receiver comes back.
    let mut live = resume(scene, sent, &[&CONFIG[..], &["--processes", "3"]].concat());
    live.running.log_until("the spool is found", |line| line.contains("wait in the spool").then_some(()));
    live.await_rule(FENCE, 1, "live");
    fire(&mut live, 2);
    let bodies = open(address);
    let sent = live.sent;
    assert_eq!(arrived(&bodies, sent as usize), (1..=sent).collect::<Vec<_>>());
    live.running
        .log_until("the breaker closes", |line| line.contains("nothing is left in the spool").then_some(()));
    fire(&mut live, 1);
    assert_eq!(arrived(&bodies, 1), [sent + 1]);
    let Live { running, .. } = live;
    interrupt(running);
    let left: Vec<_> = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn without_a_spool_triggers_wait_in_memory_as_ever() {
    let address = closed_port();
    let mut live = resume(scene(address, "spool = \"off\""), 0, &CONFIG);
    live.await_rule(FENCE, 1, "live");
    fire(&mut live, 1);
    live.running.log_until("a failing webhook", |line| line.contains("the webhook fails").then_some(()));
    let bodies = open(address);
    assert_eq!(arrived(&bodies, 1), [1]);
    assert!(!live.scene.path("strateye.spool").exists());
    let Live { running, .. } = live;
    interrupt(running);
}
