//! Tests of the contract of `TriggerSink`, for every sink.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use strateye_sinks::{
    LineOutput, LineSink, Sent, SinkStats, SpoolConfig, SpoolingSink, Trigger, TriggerSink,
    kafka::{KafkaSink, KafkaSinkConfig},
    webhook::{WebhookConfig, WebhookSink},
};
use strateye_tests::services::Kafka;
use tempfile::TempDir;

use crate::{
    kafka::consumed,
    receiver::{Receiver, Reply},
    wait,
};

const LONG: Duration = Duration::from_secs(60);
const KEYS: u64 = 7;
/// More triggers than any queue of these tests holds.
const MANY: u64 = 10_000;
/// Number of triggers sent after the receiver was released.
const MORE: u64 = 100;

/// A receiver that accepts nothing until it is released.
trait Held {
    fn release(&mut self);

    /// Ends the sink and returns the received lines, in order where the receiver has one.
    fn arrived(self, sink: Box<dyn TriggerSink>) -> Vec<String>;
}

fn trigger(number: u64) -> Trigger {
    let key = (number % KEYS).to_string();
    let filling = "选".repeat(200);
    Trigger {
        id: format!("t-{number}"),
        line: format!("{{\"key\":{key},\"n\":{number},\"x\":\"{filling}\"}}"),
        key,
        ..Trigger::default()
    }
}

fn holds_the_contract(sink: Box<dyn TriggerSink>, mut receiver: impl Held) {
    assert_eq!((sink.accepted(), sink.acknowledged(), sink.stats()), (0, 0, SinkStats::default()));

    // Accepted triggers are numbered without gaps, up to a bound.
    let full_at = (1..=MANY)
        .find(|number| match sink.send(&trigger(*number)).unwrap() {
            Sent::Accepted(given) => {
                assert_eq!((given, sink.accepted()), (*number, *number));
                false
            }
            Sent::Full => true,
            Sent::Refused(reason) => panic!("{reason}"),
        })
        .expect("the queue is bounded");

    // A full sink accepts nothing and changes nothing.
    let before = (sink.accepted(), sink.acknowledged());
    assert_eq!(sink.send(&trigger(full_at)).unwrap(), Sent::Full);
    assert_eq!(before, (full_at - 1, sink.acknowledged()));
    assert!(sink.acknowledged() < sink.accepted(), "nobody has taken the last trigger");
    let stats = sink.stats();
    assert_eq!(stats.queued + stats.delivered, sink.accepted());
    assert_eq!((stats.dead, stats.failed), (0, 0));
    sink.check().unwrap();

    // After the release everything arrives once, and in order within a key.
    receiver.release();
    let last = full_at + MORE;
    for number in full_at..=last {
        assert!(wait::send(&*sink, &trigger(number), LONG).is_some());
    }
    assert!(wait::all_acknowledged(&*sink, LONG).unwrap());
    assert!(wait::none_queued(&*sink, LONG));
    assert_eq!((sink.accepted(), sink.acknowledged()), (last, last));
    let stats = sink.stats();
    assert_eq!((stats.queued, stats.delivered, stats.dead, stats.failed), (0, last, 0, 0));
    sink.check().unwrap();

    let by_key = |lines: Vec<String>| {
        let mut keys = BTreeMap::<String, Vec<String>>::new();
        for line in lines {
            let key = line.split(',').next().unwrap().to_owned();
            keys.entry(key).or_default().push(line);
        }
        keys
    };
    let sent = (1..=last).map(|number| trigger(number).line).collect();
    assert_eq!(by_key(receiver.arrived(sink)), by_key(sent));
}

/// A pipe that is not read until it is released.
struct HeldPipe {
    reading: Option<File>,
    lines: Option<JoinHandle<Vec<String>>>,
    _folder: TempDir,
}

impl Held for HeldPipe {
    fn release(&mut self) {
        let reader = BufReader::new(self.reading.take().unwrap());
        self.lines = Some(thread::spawn(|| reader.lines().map(Result::unwrap).collect()));
    }

    fn arrived(self, sink: Box<dyn TriggerSink>) -> Vec<String> {
        // The sink is the only writer, so dropping it ends the pipe.
        drop(sink);
        self.lines.unwrap().join().unwrap()
    }
}

#[test]
fn lines_hold_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for reading and writing, a pipe does not wait for its other end.
    let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let sink = LineSink::open(&LineOutput::File(path.clone())).unwrap();
    let reading = File::open(&path).unwrap();
    drop(both);
    holds_the_contract(Box::new(sink), HeldPipe { reading: Some(reading), lines: None, _folder: folder });
}

/// A receiver that does not answer until it is released.
struct HeldReceiver {
    receiver: Receiver,
    _folder: TempDir,
}

impl Held for HeldReceiver {
    fn release(&mut self) {
        self.receiver.open();
    }

    fn arrived(self, _sink: Box<dyn TriggerSink>) -> Vec<String> {
        self.receiver.requests().into_iter().map(|request| request.body).collect()
    }
}

#[test]
fn a_webhook_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, _| Reply::Gated);
    let mut config = WebhookConfig::new(receiver.url(), folder.path().join("dead.jsonl"));
    config.queue = 50;
    config.timeout_ms = 60_000;
    holds_the_contract(
        Box::new(WebhookSink::start(&config).unwrap()),
        HeldReceiver { receiver, _folder: folder },
    );
}

/// A spool in `folder` that begins after `after` and takes no more than a few triggers.
fn spool(folder: &TempDir, receiver: &str, after: Duration) -> SpoolConfig {
    SpoolConfig {
        folder: folder.path().join("spool"),
        max_bytes: 100_000,
        after,
        queue: 50,
        queue_bytes: 1 << 20,
        dead_letters: folder.path().join("dead.jsonl"),
        receiver: receiver.to_owned(),
    }
}

#[test]
fn a_spooled_webhook_holds_the_contract() {
    for after in [Duration::ZERO, LONG] {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(|_, _| Reply::Gated);
        let mut config = WebhookConfig::new(receiver.url(), folder.path().join("dead.jsonl"));
        config.timeout_ms = 60_000;
        let webhook = WebhookSink::start_with_spool(&config).unwrap();
        let sink = SpoolingSink::start(Box::new(webhook), spool(&folder, &receiver.url(), after)).unwrap();
        holds_the_contract(Box::new(sink), HeldReceiver { receiver, _folder: folder });
    }
}

/// A broker that is down until it is released.
struct HeldBroker(Kafka);

impl Held for HeldBroker {
    fn release(&mut self) {
        self.0.restart();
    }

    fn arrived(self, _sink: Box<dyn TriggerSink>) -> Vec<String> {
        consumed(&self.0, "held").into_iter().map(|trigger| trigger.line).collect()
    }
}

#[test]
fn a_spooled_topic_holds_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Kafka::start();
    broker.topic("held", 3);
    let topic = KafkaSink::start(&KafkaSinkConfig::new(broker.address(), "held")).unwrap();
    broker.kill();
    let spool = spool(&folder, "kafka://held", Duration::from_millis(100));
    holds_the_contract(Box::new(SpoolingSink::start(Box::new(topic), spool).unwrap()), HeldBroker(broker));
}

#[test]
fn a_topic_holds_the_contract() {
    let broker = Kafka::start();
    broker.topic("held", 3);
    let mut config = KafkaSinkConfig::new(broker.address(), "held");
    config.queue = 50;
    let sink = KafkaSink::start(&config).unwrap();
    broker.kill();
    holds_the_contract(Box::new(sink), HeldBroker(broker));
}
