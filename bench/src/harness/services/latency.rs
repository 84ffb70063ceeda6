//! Latency from an event in one topic to its trigger in another.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{Message, producer::Producer};

use super::{Bench, Json, Running, Sender, WITHIN, now, running::cpu_of, send, stamped, wrong};
use crate::{
    Error,
    harness::table::{Table, whole},
    workload::Settings,
};

/// Pause between two rounds of sending what is due.
const GRAIN: Duration = Duration::from_millis(2);
/// Warm-up, whose events do not count: the broker's JVM compiles meanwhile and falls seconds behind.
const WARM_UP: Duration = Duration::from_secs(60);

/// Delays since an event was sent, ms.
struct Delay {
    /// Until the message about it was passed to its producer.
    written: i64,
    /// Until that message was received.
    received: i64,
}

/// The 50th and 99th percentile; zeros if there are no delays.
fn percentiles(mut delays: Vec<i64>) -> [i64; 2] {
    delays.sort_unstable();
    [50, 99].map(|percent| delays.get(delays.len() * percent / 100).copied().unwrap_or(0))
}

/// Minimum and maximum, as text.
fn range(mut cores: Vec<f64>) -> String {
    cores.sort_by(f64::total_cmp);
    let [first, .., last] = &cores[..] else { return "-".to_owned() };
    format!("{first:.2} to {last:.2}")
}

impl Bench<'_> {
    /// Measures from the producer's clock at sending to a consumer's at receiving the trigger.
    pub(super) fn latency(&self) -> Result<Table, Error> {
        let name = "latency";
        self.topics(name);
        self.configure(name, &self.rules()?, Some(1_000))?;
        let running = self.start()?.ready()?;
        let topic = format!("{name}-events");
        let cause = |trigger: &Json| trigger["cause"]["event_time"].as_i64();
        let triggers = self.receive(&format!("{name}-triggers"), cause)?;
        let events = self.receive(&topic, |event| event["event_time"].as_i64())?;
        let producer = self.producer()?;
        let (before, each, begun) = (self.cpu(&running), running.cpu_of_each(), Instant::now());
        let sent = self.load(&producer, &topic)?;
        let (took, after) = (begun.elapsed().as_secs_f64(), self.cpu(&running));
        let each =
            running.cpu_of_each().iter().zip(each).map(|(after, before)| (after - before) / took).collect();
        running.until("all events are read", |r| Ok(r.metric("strateye_events_total")? >= sent as f64))?;
        let triggers = triggers.join().map_err(|_| wrong("the consumer panicked"))?;
        let events = events.join().map_err(|_| wrong("the plain consumer panicked"))?;
        running.stop()?;
        let cores = after.iter().zip(before).map(|(after, before)| format!("{:.2}", (after - before) / took));
        let mut cores: Vec<String> = cores.collect();
        cores.insert(1, range(each));
        Ok(self.latency_table(sent as f64 / took, &events, &triggers, cores))
    }

    /// CPU time so far of the engine, Kafka, Redis and MariaDB, seconds.
    fn cpu(&self, running: &Running) -> [f64; 4] {
        let [kafka, redis, mariadb] = [self.kafka.pid(), self.redis.pid(), self.mariadb.pid()].map(cpu_of);
        [running.cpu(), kafka, redis, mariadb]
    }

    /// Sends events at the planned rate for the planned length; returns their number once all are delivered.
    /// An open loop: what is due is sent whether or not the engine keeps up.
    fn load(&self, producer: &Sender, topic: &str) -> Result<u64, Error> {
        let begun = Instant::now();
        let events = self.plan.rate * self.plan.length.as_secs();
        let mut lines = Settings { events, ..self.plan.workload }.event_lines();
        let mut sent = 0u64;
        'load: while begun.elapsed() < self.plan.length {
            let due = (begun.elapsed().as_secs_f64() * self.plan.rate as f64) as u64;
            while sent < due {
                let Some(line) = lines.next() else { break 'load };
                send(producer, topic, &stamped(&line, now())?)?;
                sent += 1;
            }
            // An open loop sends at its own pace, so there is nothing to wait for but time.
            thread::sleep(GRAIN);
        }
        producer.flush(WITHIN).map_err(wrong)?;
        Ok(sent)
    }

    /// Table of the events and triggers received, and of the cores used.
    fn latency_table(&self, rate: f64, events: &[Delay], triggers: &[Delay], cores: Vec<String>) -> Table {
        let mut table = Table::new(&[
            "topic to topic",
            "events/s",
            "triggers",
            "read p50 ms",
            "p99",
            "fired p50",
            "p99",
            "received p50",
            "p99",
            "engine",
            "each process",
            "kafka",
            "redis",
            "mariadb",
        ]);
        let read = events.iter().map(|delay| delay.received).collect();
        let fired = triggers.iter().map(|delay| delay.written).collect();
        let received = triggers.iter().map(|delay| delay.received).collect();
        let delays = [read, fired, received].into_iter().flat_map(percentiles).map(|ms| ms.to_string());
        let figures = [rate, triggers.len() as f64].map(whole);
        let row = [format!("{} processes", self.plan.processes)].into_iter().chain(figures);
        table.row(row.chain(delays).chain(cores));
        table
    }

    /// Receives the messages of the first partition of a topic for the length of the run; `cause` returns the
    /// time of the event that a message is about.
    fn receive(
        &self,
        topic: &str,
        cause: impl Fn(&Json) -> Option<i64> + Send + 'static,
    ) -> Result<thread::JoinHandle<Vec<Delay>>, Error> {
        let consumer = self.consumer(topic)?;
        let until = Instant::now() + self.plan.length + Duration::from_secs(5);
        let begun = now();
        Ok(thread::spawn(move || {
            let mut delays = Vec::new();
            while Instant::now() < until {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                let received = now();
                let text: Json =
                    serde_json::from_slice(message.payload().unwrap_or_default()).unwrap_or_default();
                if let Some(at) = cause(&text).filter(|at| *at > begun + WARM_UP.as_millis() as i64) {
                    let written = message.timestamp().to_millis().unwrap_or(received);
                    delays.push(Delay { written: written - at, received: received - at });
                }
            }
            delays
        }))
    }
}
