//! Events sent to the topic, stamped when they are sent, and recorded for the reference.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientConfig, ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer},
};
use serde_json::json;
use strateye_tests::command::WITHIN;

use crate::{
    engine::Engine,
    shop::{Event, shop},
};

/// Number of lines of each partition that the broker has acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<usize>>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    /// The partition.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, partition: usize) {
        if result.is_ok() {
            self.0.lock().unwrap()[partition] += 1;
        }
    }
}

/// Sender of events.
pub(crate) struct Load {
    config: ClientConfig,
    producer: ThreadedProducer<Acknowledged>,
    acknowledged: Acknowledged,
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
        let acknowledged = Acknowledged(Arc::new(Mutex::new(vec![0; engine.partitions as usize])));
        Load {
            producer: config.create_with_context(acknowledged.clone()).unwrap(),
            config,
            acknowledged,
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
        self.queue(partition, &line, time);
        self.lines[partition].push(line);
    }

    fn queue(&self, partition: usize, line: &str, time: i64) {
        let mut record = BaseRecord::<(), str, usize>::with_opaque_to(&self.topic, partition)
            .partition(partition as i32)
            .payload(line)
            .timestamp(time);
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::error::RDKafkaErrorCode::QueueFull));
            self.producer.flush(Duration::from_millis(100)).ok();
            record = back;
        }
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
        self.producer.flush(WITHIN).unwrap();
    }

    /// Sends what is not acknowledged after an outage, through a new client: the former may be left without a
    /// broker for good (confluentinc/librdkafka, issue 5301). Events that the broker took without a word are
    /// sent twice.
    pub(crate) fn send_again(&mut self) {
        let new = self.config.create_with_context(self.acknowledged.clone()).unwrap();
        drop(mem::replace(&mut self.producer, new));
        let acknowledged = self.acknowledged.0.lock().unwrap().clone();
        for (partition, acknowledged) in acknowledged.into_iter().enumerate() {
            for line in &self.lines[partition][acknowledged..] {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                self.queue(partition, line, event["event_time"].as_i64().unwrap());
            }
        }
    }

    /// Number of events of each partition.
    pub(crate) fn ends(&self) -> Vec<u64> {
        self.lines.iter().map(|lines| lines.len() as u64).collect()
    }
}
