//! A bound of memory with Redis: most keys are evicted, some with pending timers, while a process dies.
//!
//! The output is not affected.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use rustix::process::Signal;
use serde_json::{Value as Json, json};
use strateye_tests::command::WITHIN;

use crate::{
    check,
    engine::{Engine, Services, signal},
    load::{Load, now},
    waiting::{all_read, checkpoints, pass, until},
};

/// Users; with an order each, two processes can hold half of them in memory.
const USERS: u64 = 24_000;
const PROCESSES: u32 = 2;
const SETTINGS: &str = "state_memory_mb = 1\nmetrics = \"127.0.0.1:0\"";
/// Bytes of state that all processes may have.
const BOUND: f64 = (PROCESSES << 20) as f64;
/// How long an order may stay unpaid, ms.
const SPAN: i64 = 30_000;

fn rules() -> Vec<Json> {
    vec![
        json!({"rule_id": "unpaid", "trigger": {"each": "n"}, "conditions": [
            {"id": "n", "calculator": "absence", "steps": [{"id": "order"}, {"id": "pay"}], "params": {"within": "30s"}}]}),
        json!({"rule_id": "third", "trigger": "satisfied", "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": ["order", "pay", "view"]}, "met": "value >= 3"}]}),
    ]
}

fn pays(guid: &u64) -> bool {
    !guid.is_multiple_of(10)
}

fn send(load: &mut Load, guids: impl Iterator<Item = u64>, kind: &str) {
    let at = now();
    for guid in guids {
        let line = json!({"guid": guid + 1, "event_id": kind, "event_time": at}).to_string();
        load.put((guid % u64::from(load.used)) as usize, line, at);
    }
    load.flush();
}

/// Memory figures of the cluster.
#[derive(Debug)]
struct Figures {
    bytes: f64,
    inside: f64,
    evicted: f64,
    reloads: f64,
    timers: f64,
}

fn figures(address: SocketAddr) -> Figures {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let sum = |name: &str| -> f64 {
        let samples = page.lines().filter(|line| line.starts_with(&format!("strateye_{name}{{")));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    Figures {
        bytes: sum("state_bytes"),
        inside: sum("keys"),
        evicted: sum("evicted_keys"),
        reloads: sum("reloads_total"),
        timers: sum("timers_total"),
    }
}

/// Waits until all keys are known, no more of them are in memory than allowed, and at least `reloads` were
/// read back. Figures lie up to a second behind what was read.
fn bounded(address: SocketAddr, reloads: u64) -> Figures {
    let mut last = None;
    until("memory is within its bound, and keys were read back", || {
        let figures = figures(address);
        let all = figures.inside + figures.evicted >= USERS as f64;
        let within = all && figures.bytes > 0.0 && figures.bytes <= BOUND;
        let reloaded = figures.reloads >= reloads as f64;
        last = Some(figures);
        within && reloaded
    });
    let figures = last.unwrap();
    assert!(figures.evicted > (USERS / 4) as f64, "keys are in Redis alone: {figures:?}");
    figures
}

/// Kills the last process of the cluster, and waits for the next one.
fn kill_one(engine: &mut Engine) {
    let victim = engine.processes()[1];
    signal(victim, Signal::KILL);
    engine.log_until("restarting as generation 2");
}

#[test]
fn keys_that_are_in_redis_alone_count_and_time_out_although_a_process_dies() {
    let mut engine = Engine::prepare(Services::shared());
    engine.set(SETTINGS);
    rules().iter().for_each(|rule| engine.publish(rule));
    engine.start(PROCESSES);
    let address = engine.running().log_until("the address of the metrics", |line| {
        line.split_once("metrics are served address=")?.1.trim().parse().ok()
    });
    engine.log_until("rule in force");
    checkpoints(&engine, 1);
    let mut load = Load::new(&engine, 1);

    let ordered = now();
    send(&mut load, 0..USERS, "order");
    let before = bounded(address, 0);
    assert_eq!(before.timers, 0.0, "all orders are pending: {before:?}");

    // Payments of evicted keys, and of others; the second half of them while a process is gone.
    send(&mut load, (0..USERS / 2).filter(pays), "pay");
    kill_one(&mut engine);
    send(&mut load, (USERS / 2..USERS).filter(pays), "pay");
    all_read(&engine, &load);
    // For their payments.
    let again = bounded(address, USERS / 8 + 1);

    pass(ordered + SPAN + 1);
    send(&mut load, 0..USERS, "view");
    let expected = check::expected(&rules(), &load);
    assert_eq!(expected.triggers.len() as u64, USERS, "each either pays in time or does not");
    all_read(&engine, &load);
    check::state(&engine, &rules(), &expected);
    until("what fired is published", || check::published(&engine, "once").len() >= expected.triggers.len());
    println!("{before:?}\n{again:?}\n{:?}", bounded(address, 0));
    engine.stop();
    check::triggers(&engine, &expected);
}
