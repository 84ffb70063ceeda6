//! Telemetry of a cluster: metrics, health, readiness, and its log in JSON.
//!
//! Strangers are served too.

mod backlog;
mod memory;
mod openmetrics;
mod partitions;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::command::{Running, WITHIN, children};

use self::openmetrics::{Families, parse};
use crate::{
    live::fence,
    scene::{Scene, lines as lines_of},
};

/// An HTTP answer: its status and its body.
type Answer = (u16, String);

/// Sends a request and reads the answer to its end.
fn get(address: SocketAddr, path: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if path == "/metrics" {
        assert!(head.to_ascii_lowercase().contains("content-type: application/openmetrics-text"), "{head}");
    }
    (status, body.to_owned())
}

/// Pause between two requests, so that the cluster has the processor meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Repeats a request until `ask` accepts the answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + WITHIN;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(last) => assert!(Instant::now() < end, "{what} does not come; the last answer:\n{last}"),
        }
        thread::sleep(POLL_INTERVAL);
    }
}

fn metrics(address: SocketAddr) -> Families {
    let (status, body) = get(address, "/metrics");
    assert_eq!(status, 200, "{body}");
    parse(&body).unwrap_or_else(|fault| panic!("{fault}\n{body}"))
}

fn wait_ready(address: SocketAddr) {
    wait_for("readiness", || match get(address, "/readyz") {
        (200, _) => Ok(()),
        (status, body) => Err(format!("{status} {body}")),
    });
}

/// The address in the log.
fn address(running: &mut Running) -> SocketAddr {
    running.log_until("the address of the metrics", |line| {
        let (_, address) = line.split_once("metrics are served address=")?;
        address.trim().parse().ok()
    })
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Ends a program with SIGINT, as a person would.
fn interrupt(running: Running) {
    signal(running.pid(), Signal::INT);
    let finished = running.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.all());
}

fn rules(scene: &Scene) {
    scene.put(&fence());
    scene.put(&json!({"rule_id": "searches", "trigger": {"event": {"id": "search"}}, "conditions": [
        {"id": "seen", "calculator": "count", "event": {"id": "search"}}], "when": "seen.value > 0"}));
}

/// A cluster of two with a lively load, and its metrics address.
fn lively(scene: &Scene, more: &[&str]) -> (Running, SocketAddr) {
    rules(scene);
    let arguments = ["run", "--rules", "rules", "--events", "generator:400", "--processes", "2"];
    let watched = ["--triggers", "triggers.jsonl", "--metrics", "127.0.0.1:0"];
    let mut running = Running::start(&mut scene.command(&[&arguments[..], &watched, more].concat()));
    let address = address(&mut running);
    (running, address)
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Asserts that a figure of a healthy cluster has grown between two pages.
fn assert_grows(before: &Families, after: &Families, name: &str) {
    let (before, after) = (before.sum(name), after.sum(name));
    assert!(after > before, "{name} stood at {before} and stands at {after}");
}

#[test]
fn readiness_comes_counters_grow_and_agree_with_what_is_written() {
    let scene = Scene::new();
    let (mut running, address) = lively(&scene, &[]);
    // Nothing of the cluster can be ready the moment its supervisor has opened the port.
    let (status, reasons) = get(address, "/readyz");
    assert_eq!((status, reasons.contains("has not joined the cluster yet")), (503, true), "{reasons}");
    wait_ready(address);
    assert_eq!(get(address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!((get(address, "/").0, get(address, "/metrics/x").0), (404, 404));

    let first = metrics(address);
    assert_eq!(first.value("strateye_ready", &[]), Some(1.0));
    assert_eq!(first.value("strateye_rules", &[("state", "live")]), Some(2.0));
    let later = wait_for("more triggers and another checkpoint", || {
        let now = metrics(address);
        let grown = |name: &str| now.sum(name) > first.sum(name);
        match grown("strateye_triggers_total") && grown("strateye_checkpoints_total") {
            true => Ok(now),
            false => Err(format!("{} triggers", now.sum("strateye_triggers_total"))),
        }
    });
    for name in ["strateye_events_total", "strateye_read_bytes_total", "strateye_matches_total"] {
        assert_grows(&first, &later, name);
    }
    for process in ["0", "1"] {
        let of = [("process", process)];
        assert!(later.value("strateye_events_total", &of).unwrap() > 0.0, "process {process} reads nothing");
        assert!(later.value("strateye_memory_bytes", &of).unwrap() > 1e6);
        assert_eq!(later.value("strateye_restoring", &of), Some(0.0));
    }
    assert_eq!(later.sum("strateye_triggers_total"), later.sum("strateye_rule_triggers_total"));
    assert_eq!(later.sum("strateye_triggers_total"), later.sum("strateye_sink_delivered_total"));
    assert_eq!(later.sum("strateye_triggers_total"), later.sum("strateye_trigger_latency_seconds_count"));
    // What is written is written before it is counted.
    let written = lines(&scene.path("triggers.jsonl"));
    assert!(written.len() as f64 >= later.sum("strateye_triggers_total"), "{} lines", written.len());

    // Once the load has stopped, all figures converge to what was written.
    scene
        .write("rules/searches.json.paused", &fs::read_to_string(scene.path("rules/searches.json")).unwrap());
    fs::remove_file(scene.path("rules/searches.json")).unwrap();
    running
        .log_until("the pause", |line| (line.contains("searches") && line.contains("paused")).then_some(()));
    let (settled, written) = wait_for("the last trigger's count", || {
        let now = metrics(address);
        let written = lines(&scene.path("triggers.jsonl"));
        let counted = now.sum("strateye_triggers_total");
        let paused = now.value("strateye_rules", &[("state", "paused")]) == Some(1.0);
        match paused && counted == written.len() as f64 {
            true => Ok((now, written)),
            false => Err(format!("{counted} counted, {} written, paused: {paused}", written.len())),
        }
    });
    let mut by_rule: BTreeMap<String, f64> = BTreeMap::new();
    for line in &written {
        let trigger: Json = serde_json::from_str(line).unwrap();
        *by_rule.entry(trigger["rule_id"].as_str().unwrap().to_owned()).or_default() += 1.0;
    }
    for (rule, count) in by_rule {
        assert_eq!(settled.value("strateye_rule_triggers_total", &[("rule", &rule)]), Some(count));
    }
    let paused = [("rule", "searches"), ("state", "paused"), ("version", "1")];
    assert_eq!(settled.value("strateye_rule_info", &paused), Some(1.0));
    interrupt(running);
}

#[test]
fn strangers_neither_stop_nor_slow_the_cluster() {
    let scene = Scene::new();
    let (running, address) = lively(&scene, &[]);
    wait_ready(address);
    let before = metrics(address);
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut halves = Vec::new();
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n", "y".repeat(1 << 20));
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /metrics HT",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nab",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        &[0xff; 4096],
        long.as_bytes(),
    ];
    for bytes in garbage.iter().cycle().take(60) {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may close the connection before all of this is sent.
        let _ = stream.write_all(bytes);
        halves.push(stream);
    }
    let asked = Instant::now();
    assert_eq!(get(address, "/healthz").0, 200);
    let during = metrics(address);
    assert!(asked.elapsed() < Duration::from_secs(5), "a scrape among strangers took {:?}", asked.elapsed());
    for mut stream in idle.into_iter().chain(halves) {
        // Each connection is closed, or makes room for the next one.
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        let mut rest = Vec::new();
        if let Err(error) = stream.read_to_end(&mut rest) {
            let kind = error.kind();
            assert_ne!(kind, std::io::ErrorKind::WouldBlock, "a stranger was left alone for {WITHIN:?}");
        }
        let _ = stream.shutdown(Shutdown::Both);
    }
    let after = wait_for("more events and triggers", || {
        let after = metrics(address);
        let more = |name: &str| after.sum(name) > during.sum(name);
        let both = more("strateye_events_total") && more("strateye_triggers_total");
        if both { Ok(after) } else { Err("none".to_owned()) }
    });
    assert_grows(&before, &after, "strateye_checkpoints_total");
    assert_eq!(after.sum("strateye_restarts_total"), 0.0);
    assert_eq!(get(address, "/readyz"), (200, "ready\n".to_owned()));
    interrupt(running);
}

#[test]
fn a_restart_shows_with_its_reason_and_readiness_returns() {
    let scene = Scene::new();
    let (mut running, address) = lively(&scene, &[]);
    wait_ready(address);
    signal(children(running.pid())[1], Signal::KILL);
    running.log_until("the restart", |line| line.contains("restarting as generation 2").then_some(()));
    let after = wait_for("the restart in the metrics", || {
        let now = metrics(address);
        if now.sum("strateye_restarts_total") > 0.0 { Ok(now) } else { Err("none".to_owned()) }
    });
    assert_eq!(after.sum("strateye_restarts_total"), 1.0);
    let exit = after.samples("strateye_last_exit_info").next().unwrap();
    assert_eq!((exit["process"].as_str(), exit["signal"].as_str()), ("1", "9"), "{exit:?}");
    assert!(exit["reason"].contains("killed (signal 9)"), "{exit:?}");
    wait_ready(address);
    let again = metrics(address);
    assert_eq!(again.value("strateye_cluster_generation", &[]), Some(2.0));
    assert_eq!(again.value("strateye_rules", &[("state", "live")]), Some(2.0), "rules of the checkpoint");
    assert!(again.value("strateye_checkpoint_number", &[]).unwrap() > 1.0);
    interrupt(running);
}

#[test]
fn every_process_serves_metrics_if_asked_to_and_the_log_is_json() {
    let scene = Scene::new();
    scene.write("settings.toml", "metrics_per_process = true\n");
    rules(&scene);
    let arguments = ["run", "--config", "settings.toml", "--rules", "rules", "--events", "generator:200"];
    let more = ["--processes", "2", "--metrics", "127.0.0.1:0", "--log-format", "json"];
    let output = ["--triggers", "triggers.jsonl"];
    let mut running = Running::start(&mut scene.command(&[&arguments[..], &more, &output].concat()));
    let mut found: BTreeMap<Option<u64>, SocketAddr> = BTreeMap::new();
    while found.len() < 3 {
        let (process, address) = running.log_until("three addresses", |line| {
            let line: Json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
            let served = line["message"] == "metrics are served";
            served.then(|| (line["process"].as_u64(), line["address"].as_str().unwrap().parse().unwrap()))
        });
        found.insert(process, address);
    }
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [None, Some(0), Some(1)]);
    found.values().for_each(|address| wait_ready(*address));
    for (process, other) in [("0", "1"), ("1", "0")] {
        let address = found[&Some(process.parse().unwrap())];
        let own = metrics(address);
        assert!(own.value("strateye_events_total", &[("process", process)]).is_some(), "{process}");
        assert_eq!(own.value("strateye_events_total", &[("process", other)]), None);
        assert_eq!(own.value("strateye_triggers_total", &[]).is_some(), process == "0");
        assert_eq!(get(address, "/healthz").0, 200);
    }
    signal(running.pid(), Signal::INT);
    let finished = running.wait();
    for line in &finished.log {
        assert!(serde_json::from_str::<Json>(line).is_ok_and(|line| line.is_object()), "{line}");
    }
    assert_eq!(finished.code, Some(0));
}

/// Two workers, with or without a store for their state, and no supervisor.
fn two_workers(state: &[&str]) {
    let ports = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let hosts: Vec<String> = ports.iter().map(|port| port.local_addr().unwrap().to_string()).collect();
    drop(ports);
    let scene = Scene::new();
    rules(&scene);
    scene.write("hosts", &lines_of(&hosts));
    scene.write("secret", "a secret of many letters");
    fs::set_permissions(scene.path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let start = |process: &str| {
        let fixed =
            ["worker", "--rules", "rules", "--hosts", "hosts", "--secret", "secret", "--process", process];
        let more = ["--events", "generator:200", "--triggers", "triggers.jsonl", "--metrics", "127.0.0.1:0"];
        Running::start(&mut scene.command(&[&fixed[..], &more, state].concat()))
    };
    let mut first = start("0");
    let at = address(&mut first);
    assert_eq!(get(at, "/readyz").0, 503, "there is nobody else yet");
    let mut second = start("1");
    let addresses = [at, address(&mut second)];
    addresses.into_iter().for_each(wait_ready);
    for (process, address) in ["0", "1"].into_iter().zip(addresses) {
        let own = metrics(address);
        assert_eq!(own.value("strateye_processes", &[]), Some(1.0));
        assert!(own.value("strateye_keys", &[("process", process)]).is_some());
        let checkpoints = process == "0" && !state.is_empty();
        assert_eq!(own.value("strateye_checkpoint_number", &[]).is_some(), checkpoints);
        assert_eq!(own.samples("strateye_restarts_total").count(), 0, "nobody restarts it");
    }
    for running in [first, second] {
        signal(running.pid(), Signal::INT);
        drop(running.wait());
    }
}

#[test]
fn workers_without_supervisor_serve_metrics() {
    two_workers(&["--state", "state.db"]);
}

#[test]
fn workers_that_keep_no_state_are_ready_without_checkpoints() {
    two_workers(&[]);
}

#[test]
fn an_address_that_can_not_be_bound_is_reported_with_the_remedy() {
    let scene = Scene::new();
    rules(&scene);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let free = "a port that is free";
    let faults = [
        ("127.0.0.1", "write HOST:PORT"),
        ("not an address", "write HOST:PORT"),
        ("203.0.113.1:80", free),
        (&taken, free),
    ];
    for (text, remedy) in faults {
        let finished = scene.run(&["run", "--rules", "rules", "--processes", "1", "--metrics", text]);
        assert_eq!(finished.code, Some(2), "{}", finished.all());
        let said = finished.log.last().unwrap();
        assert!(said.contains(text) && said.contains(remedy), "{said}");
    }
    scene.write("settings.toml", "metrics_per_process = true\n");
    let finished = scene.run(&["run", "--config", "settings.toml", "--rules", "rules", "--processes", "1"]);
    assert_eq!(finished.code, Some(2), "{}", finished.all());
    assert!(finished.all().contains("write `metrics`"), "{}", finished.all());
}

/// All words in a text that look like metric names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("strateye_")).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_name_existing_metrics_and_all_of_them() {
    let scene = Scene::new();
    let (running, address) = lively(&scene, &[]);
    wait_ready(address);
    let families = metrics(address);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("telemetry");
    let dashboard = fs::read_to_string(folder.join("dashboard.json")).unwrap();
    let parsed: Json = serde_json::from_str(&dashboard).unwrap();
    assert!(parsed["panels"].as_array().is_some_and(|panels| panels.len() > 30));
    let alerts = fs::read_to_string(folder.join("alerts.yml")).unwrap();
    let (shown, watched) = (named(&dashboard), named(&alerts));
    assert!(watched.len() > 10);
    for name in shown.iter().chain(&watched) {
        assert!(families.has(name), "there is no {name}");
    }
    let unseen: Vec<&str> =
        families.sample_names().into_iter().filter(|name| !shown.contains(*name)).collect();
    assert_eq!(unseen, [] as [&str; 0], "no panel shows them");
    let runbook = fs::read_to_string(folder.join("runbook.md")).unwrap();
    for name in named(&runbook) {
        assert!(families.has(&name), "the runbook names {name}");
    }
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(runbook.contains(&format!("\n### {alert}\n")), "the runbook does not explain {alert}");
    }
    interrupt(running);
}
