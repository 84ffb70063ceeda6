//! Services that are away when the engine starts.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::{
    engine::{Engine, Services},
    waiting::{begin, checkpoints, ends_as_expected, send_for_checkpoints, until},
};

/// Why the engine is not ready; empty if it is.
fn not_ready(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if head.contains(" 200 ") { String::new() } else { body.to_owned() }
}

fn address(engine: &mut Engine) -> String {
    engine.running().log_until("the address of the metrics", |line| {
        let (_, address) = line.split_once("metrics are served address=")?;
        Some(address.split_whitespace().next()?.to_owned())
    })
}

#[test]
fn services_that_are_away_at_the_start_are_waited_for_without_a_restart() {
    let services = Services::start();
    let (mut engine, mut load) = begin(services.clone(), 2);
    send_for_checkpoints(&engine, &mut load, 2);
    load.flush();
    engine.stop();
    services.redis.kill();
    services.kafka.kill();
    services.mysql.kill();

    // The first failure of a process would be the last.
    engine
        .change_settings("restarts_per_minute = 1000", "restarts_per_minute = 0\nmetrics = \"127.0.0.1:0\"");
    engine.start(2);
    let address = address(&mut engine);
    let waits = |what: &str| until(what, || not_ready(&address).contains(what));
    waits("process 0 waits for the checkpoint store redis://");
    waits("process 1 waits for the checkpoint store redis://");
    engine.log_until("waiting for the checkpoint store redis://");
    services.redis.restart();
    waits("process 0 waits for the brokers of committed triggers");
    services.kafka.restart();
    // The rules of the checkpoint run.
    checkpoints(&engine, 1);
    send_for_checkpoints(&engine, &mut load, 2);
    waits("process 0 waits for the rules: mysql://");
    services.mysql.restart();
    until("the engine is ready", || not_ready(&address).is_empty());
    ends_as_expected(&mut engine, &mut load);
}
