//! Latency from an event in one topic to its trigger in another.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{Message, producer::Producer};

use super::{Bench, Json, Running, WITHIN, now, running::cpu_of, send, stamped, wrong};
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

/// A percentile; zero if there are no delays.
fn percentile(delays: &mut [i64], percent: usize) -> i64 {
    delays.sort_unstable();
    delays.get(delays.len() * percent / 100).copied().unwrap_or(0)
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
        let services = [
            ("engine", 0),
            ("kafka", self.kafka.pid()),
            ("redis", self.redis.pid()),
            ("mariadb", self.mariadb.pid()),
        ];
        let cpu =
            |running: &Running| services.map(|(_, pid)| if pid == 0 { running.cpu() } else { cpu_of(pid) });
        let cause = |trigger: &Json| trigger["cause"]["event_time"].as_i64();
        let receiver = self.receive(&format!("{name}-triggers"), cause)?;
        let plain = self.receive(&format!("{name}-events"), |event| event["event_time"].as_i64())?;
        let (producer, topic) = (self.producer()?, format!("{name}-events"));
        let (before, each, begun) = (cpu(&running), running.cpu_of_each(), Instant::now());
        let events = self.plan.rate * self.plan.length.as_secs();
        let mut lines = Settings { events, ..self.plan.workload }.event_lines();
        let mut sent = 0u64;
        'load: while begun.elapsed() < self.plan.length {
            let due = (begun.elapsed().as_secs_f64() * self.plan.rate as f64) as u64;
            while sent < due {
                let Some(line) = lines.next() else { break 'load };
                send(&producer, &topic, &stamped(&line, now())?)?;
                sent += 1;
            }
            // The load's pace: an open loop sends what is due whether or not the engine keeps up.
            thread::sleep(GRAIN);
        }
        producer.flush(WITHIN).map_err(wrong)?;
        let (took, after) = (begun.elapsed().as_secs_f64(), cpu(&running));
        let each =
            running.cpu_of_each().iter().zip(each).map(|(after, before)| (after - before) / took).collect();
        running.until("all events are read", |r| Ok(r.metric("strateye_events_total")? >= sent as f64))?;
        let delays = receiver.join().map_err(|_| wrong("the consumer panicked"))?;
        let plain = plain.join().map_err(|_| wrong("the plain consumer panicked"))?;
        let mut read: Vec<i64> = plain.iter().map(|delay| delay.received).collect();
        let mut fired: Vec<i64> = delays.iter().map(|delay| delay.written).collect();
        let mut received: Vec<i64> = delays.iter().map(|delay| delay.received).collect();
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
        let mut cores: Vec<String> =
            (0..services.len()).map(|i| format!("{:.2}", (after[i] - before[i]) / took)).collect();
        cores.insert(1, range(each));
        let figures = [sent as f64 / took, delays.len() as f64].map(whole);
        let row = [format!("{} processes", self.plan.processes)].into_iter().chain(figures);
        let delays = [&mut read, &mut fired, &mut received]
            .into_iter()
            .flat_map(|d| [percentile(d, 50), percentile(d, 99)]);
        table.row(row.chain(delays.map(|ms| ms.to_string())).chain(cores));
        running.stop()?;
        Ok(table)
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
