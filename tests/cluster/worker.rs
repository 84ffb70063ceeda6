//! A cluster of `strateye worker`s that meet on TCP ports, and strangers at those ports.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, WITHIN};

use crate::live::now;
use crate::scene::Scene;

/// Setup of two processes: a scene with a hosts file, a secret and a rule; and the first one's address.
fn places() -> (Scene, SocketAddr) {
    // Both are held until both are known, so that they differ.
    let ports = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let addresses = ports.map(|port| port.local_addr().unwrap());
    let scene = Scene::new();
    scene.write("hosts", &format!("# two of one machine\n{}\n{}\n", addresses[0], addresses[1]));
    secret(&scene, "secret", "a secret of many letters", 0o600);
    scene.put(&json!({"rule_id": "r", "trigger": {"event": {"id": "A"}}}));
    (scene, addresses[0])
}

fn secret(scene: &Scene, name: &str, text: &str, mode: u32) {
    scene.write(name, text);
    fs::set_permissions(scene.path(name), Permissions::from_mode(mode)).unwrap();
}

fn worker<'a>(process: &'a str, secret: &'a str) -> Vec<&'a str> {
    vec!["worker", "--rules", "rules", "--hosts", "hosts", "--process", process, "--secret", secret]
}

fn begin(scene: &Scene, process: &str, secret: &str, more: &[&str]) -> Running {
    Running::start(&mut scene.command(&[&worker(process, secret)[..], more].concat()))
}

/// Sends events of many users to the first process; all fire, whichever process they belong to. Then the
/// input ends, and both processes do.
fn fires_and_ends(mut first: Running, second: Running) {
    first.log_until("the rule", |line| line.contains("rule in force").then_some(()));
    for guid in 1..51 {
        first.write(&json!({"guid": guid, "event_id": "A", "event_time": now()}).to_string());
    }
    let mut keys: Vec<u64> = (0..50)
        .map(|_| serde_json::from_str::<Json>(&first.output_line()).unwrap()["key"].as_u64().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, (1..51).collect::<Vec<u64>>());
    for process in [first, second] {
        let finished = process.wait();
        assert_eq!(finished.code, Some(0), "{}", finished.all());
    }
}

/// Connects as soon as something listens.
fn stranger(address: SocketAddr) -> TcpStream {
    let end = Instant::now() + WITHIN;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(WITHIN)).unwrap();
                return stream;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < end => {
                // A port can't be waited for otherwise than by polling.
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until the other side has closed the connection, whatever it sent.
fn hung_up(mut stream: TcpStream) {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn two_workers_form_and_fire_and_end_with_their_input() {
    let (scene, _) = places();
    let second = begin(&scene, "1", "secret", &[]);
    let first = begin(&scene, "0", "secret", &["--events", "-"]);
    fires_and_ends(first, second);
}

#[test]
fn strangers_at_the_port_do_not_hinder_it() {
    let (scene, address) = places();
    let first = begin(&scene, "0", "secret", &["--events", "-"]);
    let silent: Vec<TcpStream> = (0..8).map(|_| stranger(address)).collect();
    let said: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[0xff; 4096], b"\n", &[0; 100_000]];
    for bytes in said {
        let mut stream = stranger(address);
        // It may close the connection in the middle.
        let _ = stream.write_all(bytes);
        if bytes.len() > 16 {
            hung_up(stream);
        }
    }
    drop(stranger(address));
    let second = begin(&scene, "1", "secret", &[]);
    fires_and_ends(first, second);
    drop(silent);
}

#[test]
fn a_process_with_another_secret_or_generation_does_not_join() {
    let (scene, _) = places();
    secret(&scene, "guessed", "a guess of many letters", 0o600);
    let first = begin(&scene, "0", "secret", &["--events", "-", "--generation", "2"]);
    let guessing = begin(&scene, "1", "guessed", &["--generation", "2", "--form-within", "1"]).wait();
    assert_eq!(guessing.code, Some(1), "{}", guessing.all());
    assert!(guessing.log.last().unwrap().to_lowercase().contains("secret"), "{}", guessing.all());
    let left_over = begin(&scene, "1", "secret", &["--generation", "1", "--form-within", "1"]).wait();
    assert_eq!(left_over.code, Some(1), "{}", left_over.all());
    assert!(left_over.log.last().unwrap().contains("generation"), "{}", left_over.all());
    let second = begin(&scene, "1", "secret", &["--generation", "2"]);
    fires_and_ends(first, second);
}

#[test]
fn a_worker_that_loses_its_peer_ends_and_says_so() {
    let (scene, _) = places();
    let second = begin(&scene, "1", "secret", &[]);
    let mut first = begin(&scene, "0", "secret", &["--events", "-"]);
    first.log_until("the rule", |line| line.contains("rule in force").then_some(()));
    kill_process(Pid::from_raw(i32::try_from(second.pid()).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(second.wait().code, None);
    let finished = first.wait();
    assert_eq!(finished.code, Some(81), "{}", finished.all());
}

#[test]
fn what_a_worker_cannot_use_is_named() {
    let (scene, _) = places();
    secret(&scene, "open", "a secret of many letters", 0o644);
    secret(&scene, "short", "short", 0o600);
    scene.write("nonsense", "localhost\n");
    let given = |name: &str, value: &str| {
        let mut arguments = [&worker("0", "secret")[..], &["--form-within", "1"]].concat();
        let at = arguments.iter().position(|argument| *argument == name).unwrap();
        arguments[at + 1] = value;
        let finished = scene.run(&arguments);
        (finished.code, finished.log.last().unwrap().clone())
    };
    let cases = [
        ("--hosts", "none", "none"),
        ("--hosts", "nonsense", "is not host:port; write e.g."),
        ("--secret", "none", "cannot read the secret file none"),
        ("--secret", "open", "run `chmod 600` on it"),
        ("--secret", "short", "write at least 16"),
        ("--process", "2", "processes count from 0"),
        ("--rules", "none", "none"),
    ];
    let faults: Vec<String> = cases
        .into_iter()
        .filter_map(|(name, value, said)| {
            let (code, last) = given(name, value);
            let right = code == Some(2) && last.contains(said);
            (!right).then(|| format!("{name} {value}: exit code {code:?}: {last}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_sink_that_waits_for_checkpoints_needs_a_place_for_state() {
    let (scene, _) = places();
    let sink = "[[sinks]]\n[sinks.kafka]\nbrokers = 'localhost:1'\ntopic = 't'\ndelivery = 'committed'\n";
    scene.write("settings.toml", sink);
    let arguments =
        [&worker("0", "secret")[..], &["--config", "settings.toml", "--form-within", "1"]].concat();
    let refused = scene.run(&arguments);
    assert_eq!(refused.code, Some(2), "{}", refused.all());
    assert!(refused.log.last().unwrap().contains("keep state with --state"), "{}", refused.all());
}
