//! The engine between a real Kafka, Redis and MariaDB, all on this machine.
//!
//! Measured are throughput with and without checkpoints, latency from topic to topic, time until a rule
//! published by SQL is in force, recovery with much state, and the cost of a bound of memory.
//!
//! **Limits**: the services share the cores with the engine, as they would for a user with one machine; so
//! figures are of the whole, and the CPU of each part is given separately.
//!
//! - `throughput`, `latency`, `publishing`, `crowds`, `recovery`, `memory`: the measurements
//! - `running`: the running engine: its log, metrics and CPU time

mod crowds;
mod latency;
mod memory;
mod publishing;
mod recovery;
mod running;
mod throughput;

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde_json::{Value as Json, json};
use strateye_tests::services::{Kafka, Mysql, Redis};
use tempfile::TempDir;

use self::running::Running;
use super::Engine;
use crate::{Error, workload::Settings};

/// Producer with a thread of its own.
type Sender = ThreadedProducer<DefaultProducerContext>;

const PARTITIONS: u32 = 12;
/// Timeout of every step.
const WITHIN: Duration = Duration::from_secs(600);

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Rate at which a backlog is read, with and without checkpoints.
    Throughput,
    /// Latency from an event in one topic to its trigger in another.
    Latency,
    /// Time from a rule's UPDATE until it is in force.
    Publishing,
    /// Time until an edit and a pause are in force while the crowd of another rule changes.
    Crowds,
    /// Time from SIGKILL until events have triggers again.
    Recovery,
    /// Events of evicted keys, and of keys in memory.
    Memory,
}

/// Parameters of the measurements.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Workload of the throughput and latency runs.
    pub workload: Settings,
    /// Number of rounds of the throughput runs.
    pub rounds: u32,
    /// Processes of the engine.
    pub processes: u16,
    /// Events per second of the latency run.
    pub rate: u64,
    /// Length of the latency run.
    pub length: Duration,
    /// Keys with state of the recovery and memory runs.
    pub keys: u64,
}

fn wrong(reason: impl ToString) -> Error {
    Error::Engine { command: "strateye run".into(), reason: reason.to_string() }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// The services, and the binary under test.
struct Bench<'b> {
    kafka: Kafka,
    redis: Redis,
    mariadb: Mysql,
    folder: TempDir,
    engine: &'b Engine,
    plan: Plan,
}

impl Bench<'_> {
    /// Writes settings that read one topic and write another; state is kept in Redis if there are
    /// checkpoints.
    fn configure(&self, name: &str, rules: &str, checkpoint_ms: Option<u64>) -> Result<(), Error> {
        self.configure_as(name, name, rules, checkpoint_ms)
    }

    /// Like [`configure`](Self::configure), with a prefix of its own for the state.
    fn configure_as(
        &self,
        name: &str,
        prefix: &str,
        rules: &str,
        checkpoint_ms: Option<u64>,
    ) -> Result<(), Error> {
        let (kafka, redis) = (self.kafka.address(), self.redis.url());
        let state = match checkpoint_ms {
            Some(every) => {
                format!("checkpoint_ms = {every}\n[redis]\nurls = [\"{redis}\"]\nprefix = \"{prefix}\"\n")
            }
            None => "state = \"none\"\n".to_owned(),
        };
        let text = format!(
            "name = \"{name}\"\nrules = \"{rules}\"\n{state}\
             [kafka]\nbrokers = \"{kafka}\"\ntopic = \"{name}-events\"\nstart = \"earliest\"\n\
             [[sinks]]\nkafka = {{ brokers = \"{kafka}\", topic = \"{name}-triggers\" }}\n"
        );
        fs::write(self.folder.path().join("strateye.toml"), text).map_err(wrong)
    }

    /// Adds a bound of the state in the memory of each process to the settings.
    fn bound(&self, memory_mb: u64) -> Result<(), Error> {
        let path = self.folder.path().join("strateye.toml");
        let settings = fs::read_to_string(&path).map_err(wrong)?;
        fs::write(path, format!("state_memory_mb = {memory_mb}\n{settings}")).map_err(wrong)
    }

    fn start(&self) -> Result<Running, Error> {
        Running::start(self.engine.path(), self.folder.path(), self.plan.processes)
    }

    fn topics(&self, name: &str) {
        self.kafka.topic(&format!("{name}-events"), PARTITIONS as usize);
        self.kafka.topic(&format!("{name}-triggers"), 1);
    }

    fn producer(&self) -> Result<Sender, Error> {
        let mut config = self.kafka.client();
        config.set("linger.ms", "5").set("queue.buffering.max.messages", "1000000");
        config.create().map_err(wrong)
    }

    /// Consumer of the first partition of a topic, from its beginning.
    fn consumer(&self, topic: &str) -> Result<BaseConsumer, Error> {
        let mut config = self.kafka.client();
        config.set("group.id", "bench");
        let consumer: BaseConsumer = config.create().map_err(wrong)?;
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(topic, 0, Offset::Beginning).map_err(wrong)?;
        consumer.assign(&all).map_err(wrong)?;
        Ok(consumer)
    }

    fn rules(&self) -> Result<String, Error> {
        let folder = self.folder.path().join("rules");
        fs::create_dir_all(&folder).map_err(wrong)?;
        for (id, document) in self.plan.workload.rule_documents() {
            fs::write(folder.join(format!("{id}.json")), document).map_err(wrong)?;
        }
        Ok(folder.display().to_string())
    }
}

/// The line as an event of time `at`, unix ms.
fn stamped(line: &[u8], at: i64) -> Result<Json, Error> {
    let mut event: Json = serde_json::from_slice(line).map_err(wrong)?;
    if let Some(event) = event.as_object_mut() {
        event.remove("ts");
    }
    event["event_time"] = json!(at);
    Ok(event)
}

/// Partition of a user's cluster of addresses.
fn partition_of(event: &Json) -> i32 {
    (event["guid"].as_u64().unwrap_or(0) % 64 % u64::from(PARTITIONS)) as i32
}

/// Sends an event.
fn send(producer: &Sender, topic: &str, event: &Json) -> Result<(), Error> {
    let text = event.to_string();
    queue(producer, BaseRecord::to(topic).partition(partition_of(event)).payload(&text))
}

/// Queues a record; blocks while the queue is full.
fn queue(producer: &Sender, mut record: BaseRecord<'_, (), str>) -> Result<(), Error> {
    while let Err((error, back)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(rdkafka::error::RDKafkaErrorCode::QueueFull) {
            return Err(wrong(error));
        }
        producer.flush(Duration::from_millis(50)).ok();
        record = back;
    }
    Ok(())
}

/// Runs these measurements; returns a table of each.
///
/// # Errors
/// If a service or the engine can't be run, or does not finish.
pub fn measure(
    engine: &Engine,
    plan: Plan,
    parts: &[Part],
    progress: &mut dyn FnMut(&str),
) -> Result<String, Error> {
    let bench = Bench {
        // With all of the JVM's compilers, as in production; those of tests are quick to start.
        kafka: Kafka::start_with(&["-XX:TieredStopAtLevel=4"]),
        redis: Redis::start_with(&["--appendfsync", "everysec"]),
        mariadb: Mysql::mariadb(&[]),
        folder: TempDir::new().map_err(wrong)?,
        engine,
        plan,
    };
    let mut out = String::new();
    for part in parts {
        let table = match part {
            Part::Throughput => bench.throughput(progress)?,
            Part::Latency => {
                progress("latency");
                bench.latency()?
            }
            Part::Publishing => {
                progress("publishing by SQL");
                bench.publishing()?
            }
            Part::Crowds => {
                progress("publishing while a crowd changes");
                bench.crowds()?
            }
            Part::Memory => {
                progress("keys in memory and evicted keys");
                bench.memory()?
            }
            Part::Recovery => {
                progress("recovery");
                bench.recovery()?
            }
        };
        // Writing into memory can't fail.
        let _ = writeln!(out, "{table}");
    }
    Ok(out)
}
