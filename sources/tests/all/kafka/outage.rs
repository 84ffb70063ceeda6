//! Tests with a broker that is killed, and one that hangs, while events are read.

use std::time::{Duration, Instant};

use strateye_sources::events::KafkaSource;
use strateye_tests::services::Kafka;

use super::scene::{Received, Writer, config, no_lag, now, open};

/// Long enough for several failed queries.
const OUTAGE: Duration = Duration::from_secs(5);

/// Reads through an outage and until everything has arrived; nothing may be reported as caught up within it.
fn survive(kafka: &Kafka, topic: &str, begin: impl Fn(&Kafka), end: impl Fn(&Kafka)) {
    kafka.topic(topic, 2);
    let config = config(kafka, topic);
    let writer = Writer::new(&config);
    writer.numbers(0, 0..3000);
    let mut source: KafkaSource = open(&config);
    let mut received = Received::default();
    received.until(&mut source, |received| received.count() > 0 && received.is_caught_up(1, 0));
    begin(kafka);
    let from = now();
    let begun = Instant::now();
    while begun.elapsed() < OUTAGE {
        received.read(&mut source);
    }
    let to = now();
    end(kafka);
    writer.numbers(0, 3000..6000);
    writer.numbers(1, 0..10);
    let since = now();
    received
        .until(&mut source, |received| received.is_caught_up(0, since) && received.is_caught_up(1, since));
    let inside: Vec<_> = received.caught_up.iter().filter(|(_, at)| (from..to).contains(at)).collect();
    assert!(inside.is_empty(), "{from} to {to}: {inside:?}");
    assert_eq!(received.numbers(0), (0..6000).collect::<Vec<_>>(), "nothing lost, nothing repeated");
    assert_eq!(received.numbers(1), (0..10).collect::<Vec<_>>());
    no_lag(&source, 2);
}

#[test]
fn a_killed_broker_is_waited_for() {
    let kafka = Kafka::start();
    survive(&kafka, "killed", |kafka| kafka.kill(), |kafka| kafka.restart());
}

#[test]
fn a_hanging_broker_is_waited_for() {
    let kafka = Kafka::start();
    survive(&kafka, "hanging", |kafka| kafka.pause(), |kafka| kafka.resume());
}
