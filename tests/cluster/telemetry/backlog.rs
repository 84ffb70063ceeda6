//! A receiver of triggers that does not answer: the metrics show the consequences, as far back as the topic.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::json;
use strateye_tests::command::Running;

use super::{address, get, interrupt, metrics, wait_for, wait_ready};
use crate::{
    commands_produce::KAFKA,
    scene::{Scene, lines},
};

/// Most triggers that the sink may hold.
const QUEUE: f64 = 100.0;

/// Answers one request with 200; a request that was given up is ignored.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])?;
    (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A topic with more records than sources read ahead; those that fire come first.
fn fill(scene: &Scene, topic: &str) {
    let event = |n: u64| {
        let name = if n < 400 { "fire" } else { "noise" };
        json!({"event_id": name, "event_time": 1_790_035_200_000u64 + n, "guid": n + 1, "device_id": format!("d-{}", n % 50)})
            .to_string()
    };
    scene.write("events.jsonl", &lines(&(0..60_000).map(event).collect::<Vec<_>>()));
    let produce = ["produce", "--events", "events.jsonl", "--topic", topic, "--brokers", KAFKA.address()];
    scene.succeed(&produce);
}

#[test]
fn the_backlog_of_an_unanswering_receiver_is_shown_and_passes() {
    KAFKA.topic("backlog", 2);
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let scene = Scene::new();
    scene.put(&json!({"rule_id": "fires", "trigger": {"event": {"id": "fire"}}}));
    let url = receiver.local_addr().unwrap();
    scene.write(
        "settings.toml",
        &format!(
            "metrics = \"127.0.0.1:0\"\ncheckpoint_ms = 100\nread_ahead_bytes = 65536\n[[sinks]]\nwebhook = {{ url = \"http://{url}/\", \
             queue = {QUEUE}, timeout_ms = 60000, dead_letters = \"dead.jsonl\" }}\n"
        ),
    );
    let events = format!("kafka://{}/backlog", KAFKA.address());
    let arguments =
        ["run", "--config", "settings.toml", "--rules", "rules", "--processes", "1", "--events", &events];
    let mut running = Running::start(&mut scene.command(&arguments));
    let address = address(&mut running);
    wait_ready(address);
    // Events from before a rule's publish do not fire.
    fill(&scene, "backlog");

    let sink = [("sink", "0-webhook")];
    let lag = wait_for("a full sink and a lag", || {
        let now = metrics(address);
        let lag = now.sum("strateye_kafka_lag");
        match now.value("strateye_sink_queued", &sink) == Some(QUEUE) && lag > 10_000.0 {
            true => Ok(lag),
            false => Err(format!("{:?} queued, lag {lag}", now.value("strateye_sink_queued", &sink))),
        }
    });
    assert!(lag < 60_000.0, "{lag}");
    // Triggers are not delivered, so no checkpoint can be made.
    wait_for("a checkpoint that is too old", || match get(address, "/readyz") {
        (503, reasons) if reasons.contains("the last checkpoint is") => Ok(()),
        (status, reasons) => Err(format!("{status} {reasons}")),
    });

    thread::spawn(move || {
        for stream in receiver.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    let after = wait_for("the end of the topic", || {
        let now = metrics(address);
        let read = now.sum("strateye_events_total");
        let there = read == 60_000.0 && now.value("strateye_sink_delivered_total", &sink) == Some(400.0);
        let lags = now.samples("strateye_kafka_lag").count();
        match there && lags == 2 && now.sum("strateye_kafka_lag") == 0.0 {
            true => Ok(now),
            false => Err(format!("{read} read, lag {}", now.sum("strateye_kafka_lag"))),
        }
    });
    assert_eq!(after.value("strateye_sink_queued", &sink), Some(0.0));
    assert_eq!(after.sum("strateye_sink_dead_letters_total"), 0.0);
    wait_ready(address);
    interrupt(running);
}
