//! Events sent to the topic, stamped when they are sent, and recorded for the reference.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::json;

use crate::{
    engine::Engine,
    shop::{Event, shop},
};

/// Sender of events.
pub(crate) struct Load {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    events: Box<dyn Iterator<Item = Event>>,
    /// Events sent, by partition, in order.
    pub(crate) lines: Vec<Vec<String>>,
    clock: i64,
    /// Lower bound of all event times: an earlier event would be history to rules that were just put in
    /// force.
    began: i64,
    /// Number of partitions that get events, the first ones: all, or a number that divides 36.
    pub(crate) used: u32,
}

/// Wall clock, unix ms.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

impl Load {
    /// The load of the shop.
    pub(crate) fn new(engine: &Engine, seed: u64) -> Self {
        Self::of(engine, Box::new(shop(seed)))
    }

    pub(crate) fn of(engine: &Engine, events: Box<dyn Iterator<Item = Event>>) -> Self {
        let mut config = engine.services.kafka.client();
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("message.timeout.ms", "0");
        // After an outage the connection is back as soon as the broker is.
        config.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "50");
        Load {
            producer: config.create().unwrap(),
            topic: format!("{}-events", engine.name),
            events,
            lines: vec![Vec::new(); engine.partitions as usize],
            clock: 0,
            began: now(),
            used: engine.partitions,
        }
    }

    /// Sends `events` events evenly over a span: that is the load's pace.
    pub(crate) fn send(&mut self, events: u32, over: Duration) {
        let begun = Instant::now();
        for i in 0..events {
            let due = over * i / events;
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            self.event();
        }
    }

    fn event(&mut self) {
        let (cluster, mut event, late) = self.events.next().expect("events enough");
        self.clock = self.clock.max(now());
        let time = (self.clock - late).max(self.began);
        event["event_time"] = json!(time);
        self.put((cluster % u64::from(self.used)) as usize, event.to_string(), time);
    }

    /// Sends an event to a partition, stamped with a time.
    pub(crate) fn put(&mut self, partition: usize, line: String, time: i64) {
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
        // The wall clock itself is awaited: an event must not be stamped with a time in the future.
        std::thread::sleep(Duration::from_secs(9));
        let last = now();
        for partition in 0..self.used as usize {
            self.put(partition, json!({"event_id": "the-end", "event_time": last}).to_string(), last);
        }
        self.flush();
    }

    /// Waits until the broker has acknowledged everything.
    pub(crate) fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// Number of events of each partition.
    pub(crate) fn ends(&self) -> Vec<u64> {
        self.lines.iter().map(|lines| lines.len() as u64).collect()
    }
}
