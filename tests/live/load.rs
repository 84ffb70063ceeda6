//! Events into the topic, stamped as they are sent, and remembered for the reference.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::json;

use crate::engine::{Engine, PARTITIONS};

/// Users of the test.
const USERS: u64 = 400;

/// Sends events.
pub(crate) struct Load {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    random: ChaCha8Rng,
    orders: u64,
    /// What was sent, by partition, in order.
    pub(crate) lines: Vec<Vec<String>>,
    clock: i64,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

impl Load {
    pub(crate) fn new(engine: &Engine, seed: u64) -> Self {
        let mut config = engine.services.kafka.client();
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("message.timeout.ms", "0");
        Load {
            producer: config.create().unwrap(),
            topic: format!("{}-events", engine.name),
            random: ChaCha8Rng::seed_from_u64(seed),
            orders: 0,
            lines: vec![Vec::new(); PARTITIONS as usize],
            clock: 0,
        }
    }

    /// Sends so many events evenly over a span: that is the load's pace.
    pub(crate) fn send(&mut self, events: u32, over: Duration) {
        let begun = Instant::now();
        for i in 0..events {
            let due = over * i / events;
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            self.event();
        }
    }

    fn event(&mut self) {
        let guid = self.random.random_range(0..USERS);
        let partition = (guid % u64::from(PARTITIONS)) as usize;
        let kinds = ["view", "view", "view", "search", "search", "cart", "order", "pay", "login-failed"];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        if kind == "order" {
            self.orders += 1;
        }
        self.clock = self.clock.max(now());
        // Some events are a little late.
        let late = if self.random.random_range(0..10) == 0 { self.random.random_range(0..800) } else { 0 };
        let page = ["home", "cart", "重庆"][self.random.random_range(0..3)];
        let order = if kind == "pay" {
            self.orders.saturating_sub(self.random.random_range(0..12))
        } else {
            self.orders
        };
        let line = json!({
            "guid": guid,
            "device_id": format!("d{guid}"),
            // Users who share an ip share a partition.
            "ip": format!("10.0.{partition}.{}", guid % 36),
            "event_id": kind,
            "event_time": self.clock - late,
            "properties": {
                "item": format!("i{}", self.random.random_range(0..9)),
                "page": page,
                "amt": f64::from(self.random.random_range(0..200)) / 2.0,
                "order": order,
            },
        });
        self.put(partition, line.to_string(), self.clock - late);
    }

    fn put(&mut self, partition: usize, line: String, time: i64) {
        let mut record =
            BaseRecord::<(), str>::to(&self.topic).partition(partition as i32).payload(&line).timestamp(time);
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
            self.producer.flush(Duration::from_millis(100)).ok();
            record = back;
        }
        self.lines[partition].push(line);
    }

    /// Sends a last event to each partition, later than every timer of the events before it is due.
    pub(crate) fn end(&mut self) {
        // What is awaited is the wall clock itself: an event may not be stamped with a time that has not come.
        std::thread::sleep(Duration::from_secs(9));
        let last = now();
        for partition in 0..self.lines.len() {
            self.put(partition, json!({"event_id": "the-end", "event_time": last}).to_string(), last);
        }
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// How many events each partition has.
    pub(crate) fn ends(&self) -> Vec<u64> {
        self.lines.iter().map(|lines| lines.len() as u64).collect()
    }
}
