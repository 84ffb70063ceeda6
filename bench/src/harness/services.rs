//! The engine between a real Kafka, Redis and MariaDB, all on this machine: throughput with and without checkpoints,
//! latency from topic to topic, how fast a rule published by SQL is in force, and recovery with much state.
//!
//! **Limits**: the services share the cores with the engine, as users of one machine would have it; so figures are of the
//! whole, and the CPU of each part is told apart.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer},
};
use serde_json::{Value as Json, json};
use strateye_tests::services::{Kafka, MariaDb, Redis};
use tempfile::TempDir;

use super::table::{Table, whole};
use crate::{Error, workload::Settings};

const PARTITIONS: u32 = 12;
/// The longest that anything may take.
const WITHIN: Duration = Duration::from_secs(600);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The workload of the throughput and latency runs.
    pub workload: Settings,
    /// Processes of the engine.
    pub processes: u16,
    /// Events a second of the latency run.
    pub rate: u64,
    /// How long it lasts.
    pub length: Duration,
    /// Keys with state of the recovery run.
    pub keys: u64,
}

fn wrong(reason: impl ToString) -> Error {
    Error::Engine { command: "strateye run".into(), reason: reason.to_string() }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Services, and the binary under test.
struct Bench<'b> {
    kafka: Kafka,
    redis: Redis,
    mariadb: MariaDb,
    folder: TempDir,
    binary: &'b Path,
    plan: Plan,
}

/// A running engine.
struct Running {
    child: Child,
    log: mpsc::Receiver<String>,
    seen: VecDeque<String>,
    metrics: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(binary: &Path, folder: &Path, processes: u16) -> Result<Self, Error> {
        let mut command = Command::new(binary);
        command.args(["run", "--config", "strateye.toml", "--metrics", "127.0.0.1:0", "--processes"]);
        command.arg(processes.to_string()).current_dir(folder);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        let (to, log) = mpsc::channel();
        let pipe = child.stderr.take().ok_or_else(|| wrong("has no log"))?;
        thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(to.send(line)));
        });
        let mut running = Running { child, log, seen: VecDeque::new(), metrics: String::new() };
        let line = running.log_until("metrics")?;
        let address = line
            .split(|c: char| c.is_whitespace() || "=/\"".contains(c))
            .find(|w| w.starts_with("127.0.0.1:"));
        running.metrics = address.ok_or_else(|| wrong(format!("no address in {line}")))?.to_owned();
        Ok(running)
    }

    /// Waits until rules are in force and checkpoints are made.
    fn ready(self) -> Result<Self, Error> {
        self.until("it is ready", |running| Ok(running.get("/readyz")?.starts_with("HTTP/1.1 200")))?;
        Ok(self)
    }

    /// The next line of the log that has a text in it.
    fn log_until(&mut self, what: &str) -> Result<String, Error> {
        let until = Instant::now() + WITHIN;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            let line = self
                .log
                .recv_timeout(rest)
                .map_err(|_| wrong(format!("never said {what:?}; its last words: {:#?}", self.seen)))?;
            if self.seen.len() == 20 {
                self.seen.pop_front();
            }
            self.seen.push_back(line.clone());
            if line.contains(what) {
                return Ok(line);
            }
        }
    }

    fn get(&self, path: &str) -> Result<String, Error> {
        let mut stream = TcpStream::connect(&self.metrics).map_err(wrong)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").map_err(wrong)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(wrong)?;
        Ok(answer)
    }

    /// The sum of a metric over all its labels.
    fn metric(&self, name: &str) -> Result<f64, Error> {
        let page = self.get("/metrics")?;
        let of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
        Ok(page.lines().filter(of).filter_map(value).sum())
    }

    /// Waits until something holds.
    fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> Result<bool, Error>) -> Result<(), Error> {
        let until = Instant::now() + WITHIN;
        while !holds(self)? {
            if Instant::now() > until {
                return Err(wrong(format!("waited in vain until {what}; its last words: {:#?}", self.seen)));
            }
            // Between two looks; figures are sent twice a second.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn stop(mut self) -> Result<(), Error> {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| wrong("has no pid"))?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(wrong)?;
        self.child.wait().map_err(wrong).map(drop)
    }

    /// User and system seconds of the supervisor and its processes.
    fn cpu(&self) -> f64 {
        let mine = self.child.id();
        strateye_tests::command::children(mine).into_iter().chain([mine]).map(cpu_of).sum()
    }
}

/// User and system seconds of a process. Zero where /proc does not tell.
fn cpu_of(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) as f64 / 100.0
}

impl Bench<'_> {
    fn configure(&self, name: &str, rules: &str, checkpoint_ms: u64) -> Result<(), Error> {
        let (kafka, redis) = (self.kafka.address(), self.redis.url());
        let text = format!(
            "name = \"{name}\"\nrules = \"{rules}\"\ncheckpoint_ms = {checkpoint_ms}\n\
             [kafka]\nbrokers = \"{kafka}\"\ntopic = \"{name}-events\"\nstart = \"earliest\"\n\
             [redis]\nurls = [\"{redis}\"]\nprefix = \"{name}\"\n\
             [[sinks]]\nkafka = {{ brokers = \"{kafka}\", topic = \"{name}-triggers\" }}\n"
        );
        fs::write(self.folder.path().join("strateye.toml"), text).map_err(wrong)
    }

    fn start(&self) -> Result<Running, Error> {
        Running::start(self.binary, self.folder.path(), self.plan.processes)
    }

    fn topics(&self, name: &str) {
        self.kafka.topic(&format!("{name}-events"), PARTITIONS as usize);
        self.kafka.topic(&format!("{name}-triggers"), 1);
    }

    fn producer(&self) -> Result<ThreadedProducer<DefaultProducerContext>, Error> {
        let mut config = self.kafka.client();
        config.set("linger.ms", "5").set("queue.buffering.max.messages", "1000000");
        config.create().map_err(wrong)
    }

    fn rules(&self) -> Result<String, Error> {
        let folder = self.folder.path().join("rules");
        fs::create_dir_all(&folder).map_err(wrong)?;
        for (id, document) in self.plan.workload.rule_documents() {
            fs::write(folder.join(format!("{id}.json")), document).map_err(wrong)?;
        }
        Ok(folder.display().to_string())
    }

    /// The workload read from a topic, once its rules are live; checkpoints every so often.
    fn throughput(&self, name: &str, checkpoint_ms: u64) -> Result<[String; 3], Error> {
        self.topics(name);
        let rules = self.rules()?;
        self.configure(name, &rules, 500)?;
        self.start()?.ready()?.stop()?;
        let producer = self.producer()?;
        for line in self.plan.workload.event_lines() {
            send(&producer, &format!("{name}-events"), &stamped(&line, now())?)?;
        }
        producer.flush(WITHIN).map_err(wrong)?;
        self.configure(name, &rules, checkpoint_ms)?;
        let running = self.start()?;
        let (cpu, mut first) = (running.cpu(), None);
        let all = self.plan.workload.events as f64;
        running.until("all events are read", |running| {
            let read = running.metric("strateye_events_total")?;
            if read > 0.0 {
                first.get_or_insert((Instant::now(), read));
            }
            Ok(read >= all)
        })?;
        let (since, before) = first.unwrap_or((Instant::now(), 0.0));
        let rate = (all - before) / since.elapsed().as_secs_f64().max(0.02);
        let used = (running.cpu() - cpu) * 1e6 / all;
        running.stop()?;
        Ok([name.to_owned(), whole(rate), format!("{used:.2}")])
    }

    /// From the producer's clock at sending to a consumer's at receiving the trigger.
    fn latency(&self) -> Result<Table, Error> {
        let name = "latency";
        self.topics(name);
        self.configure(name, &self.rules()?, 1_000)?;
        let running = self.start()?.ready()?;
        let services = [
            ("engine", 0),
            ("kafka", self.kafka.pid()),
            ("redis", self.redis.pid()),
            ("mariadb", self.mariadb.pid()),
        ];
        let cpu =
            |running: &Running| services.map(|(_, pid)| if pid == 0 { running.cpu() } else { cpu_of(pid) });
        let receiver = self.receive(&format!("{name}-triggers"))?;
        let producer = self.producer()?;
        let (before, begun) = (cpu(&running), Instant::now());
        let mut sent = 0u64;
        for line in self.plan.workload.event_lines() {
            let due = Duration::from_secs_f64(sent as f64 / self.plan.rate as f64);
            if due > self.plan.length {
                break;
            }
            // The load's pace.
            thread::sleep(due.saturating_sub(begun.elapsed()));
            send(&producer, &format!("{name}-events"), &stamped(&line, now())?)?;
            sent += 1;
        }
        producer.flush(WITHIN).map_err(wrong)?;
        let (took, after) = (begun.elapsed().as_secs_f64(), cpu(&running));
        running.until("all events are read", |r| Ok(r.metric("strateye_events_total")? >= sent as f64))?;
        let mut delays = receiver.join().map_err(|_| wrong("the consumer panicked"))?;
        delays.sort_unstable();
        let at = |share: f64| delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(0);
        let mut table = Table::new(&[
            "topic to topic",
            "events/s",
            "triggers",
            "p50 ms",
            "p99 ms",
            "engine",
            "kafka",
            "redis",
            "mariadb",
        ]);
        let cores = (0..services.len()).map(|i| format!("{:.2}", (after[i] - before[i]) / took));
        let figures = [sent as f64 / took, delays.len() as f64].map(whole);
        let row = [format!("{} processes", self.plan.processes)].into_iter().chain(figures);
        table.row(row.chain([at(0.5).to_string(), at(0.99).to_string()]).chain(cores));
        running.stop()?;
        Ok(table)
    }

    /// Receives triggers until none has come for a while; gives their delays, ms. Those of the first two seconds are left out.
    fn receive(&self, topic: &str) -> Result<thread::JoinHandle<Vec<i64>>, Error> {
        let mut config = self.kafka.client();
        config.set("group.id", "bench").set("fetch.wait.max.ms", "5");
        let consumer: BaseConsumer = config.create().map_err(wrong)?;
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(topic, 0, Offset::Beginning).map_err(wrong)?;
        consumer.assign(&all).map_err(wrong)?;
        let until = Instant::now() + self.plan.length + Duration::from_secs(5);
        let begun = now();
        Ok(thread::spawn(move || {
            let mut delays = Vec::new();
            while Instant::now() < until {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
                let received = now();
                let trigger: Json =
                    serde_json::from_slice(message.payload().unwrap_or_default()).unwrap_or_default();
                if let Some(at) = trigger["cause"]["event_time"].as_i64().filter(|at| *at > begun + 2_000) {
                    delays.push(received - at);
                }
            }
            delays
        }))
    }

    /// From a rule's UPDATE to the word that it is in force on all workers.
    fn publishing(&self) -> Result<Table, Error> {
        let name = "publishing";
        self.topics(name);
        sources::rules::migrate_mysql(self.mariadb.url()).map_err(wrong)?;
        for (id, document) in self.plan.workload.rule_documents() {
            self.put(&id, &document);
        }
        self.configure(name, self.mariadb.url(), 1_000)?;
        let mut running = self.start()?.ready()?;
        let (id, document) = self.plan.workload.rule_documents().next().ok_or_else(|| wrong("no rules"))?;
        let mut took = Vec::new();
        for edit in 0..100 {
            let mut document: Json = serde_json::from_str(&document).map_err(wrong)?;
            document["name"] = json!(format!("edit {edit}"));
            let begun = Instant::now();
            self.put(&id, &document.to_string());
            running.log_until("rule in force")?;
            took.push(begun.elapsed().as_millis());
        }
        running.stop()?;
        took.sort_unstable();
        let mut table = Table::new(&["UPDATE to in force", "edits", "p50 ms", "p99 ms", "max ms"]);
        let figures = [took.len() as u128, took[50], took[98], took[99]].map(|f| f.to_string());
        table.row([format!("{} processes", self.plan.processes)].into_iter().chain(figures));
        Ok(table)
    }

    fn put(&self, id: &str, document: &str) {
        let document = document.replace('\\', "\\\\").replace('\'', "''");
        self.mariadb.execute(&format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{id}', '{document}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)"
        ));
    }

    /// From SIGKILL of a process until events are read again, with much state.
    fn recovery(&self) -> Result<Table, Error> {
        let name = "recovery";
        self.topics(name);
        let folder = self.folder.path().join("counting");
        fs::create_dir_all(&folder).map_err(wrong)?;
        let rule = json!({"rule_id": "count", "trigger": {"event": {"id": "never"}}, "conditions": [
            {"id": "n", "calculator": "count", "event": {"id": "view"}}]});
        fs::write(folder.join("count.json"), rule.to_string()).map_err(wrong)?;
        self.configure(name, &folder.display().to_string(), 1_000)?;
        let running = self.start()?.ready()?;
        let (producer, topic) = (self.producer()?, format!("{name}-events"));
        for guid in 0..self.plan.keys {
            let line = json!({"guid": guid, "event_id": "view", "event_time": now()});
            send(&producer, &topic, &line)?;
        }
        producer.flush(WITHIN).map_err(wrong)?;
        running.until("all events are read", |r| {
            Ok(r.metric("strateye_events_total")? >= self.plan.keys as f64)
        })?;
        let saved = running.metric("strateye_checkpoint_number")?;
        running.until("all is folded", |r| {
            Ok(r.metric("strateye_checkpoint_number")? >= saved + 3.0
                && r.metric("strateye_checkpoint_unfolded")? < 2.0)
        })?;
        let processes = strateye_tests::command::children(running.child.id());
        let victim =
            processes.last().and_then(|p| i32::try_from(*p).ok()).and_then(rustix::process::Pid::from_raw);
        let begun = Instant::now();
        rustix::process::kill_process(
            victim.ok_or_else(|| wrong("no process"))?,
            rustix::process::Signal::KILL,
        )
        .map_err(wrong)?;
        running.until("it restarts", |r| Ok(r.metric("strateye_restarts_total")? >= 1.0))?;
        send(&producer, &topic, &json!({"guid": 1, "event_id": "view", "event_time": now()}))?;
        let mut ready = None;
        running.until("events are read again", |r| {
            if ready.is_none() && r.get("/readyz")?.starts_with("HTTP/1.1 200") {
                ready = Some(begun.elapsed());
            }
            Ok(r.metric("strateye_events_total")? >= 1.0 && ready.is_some())
        })?;
        let (flowing, restored) = (begun.elapsed(), running.metric("strateye_restored_states_total")?);
        running.stop()?;
        let mut table = Table::new(&["SIGKILL to events", "keys", "restored", "seconds"]);
        let figures =
            [whole(self.plan.keys as f64), whole(restored), format!("{:.1}", flowing.as_secs_f64())];
        table.row([format!("{} processes", self.plan.processes)].into_iter().chain(figures));
        Ok(table)
    }
}

/// An event with another time.
fn stamped(line: &[u8], at: i64) -> Result<Json, Error> {
    let mut event: Json = serde_json::from_slice(line).map_err(wrong)?;
    if let Some(event) = event.as_object_mut() {
        event.remove("ts");
    }
    event["event_time"] = json!(at);
    Ok(event)
}

/// Sends an event to the partition of its user's cluster.
fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, event: &Json) -> Result<(), Error> {
    let partition = (event["guid"].as_u64().unwrap_or(0) % 64 % u64::from(PARTITIONS)) as i32;
    let text = event.to_string();
    let mut record = BaseRecord::<(), str>::to(topic).partition(partition).payload(&text);
    while let Err((error, back)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(rdkafka::error::RDKafkaErrorCode::QueueFull) {
            return Err(wrong(error));
        }
        producer.flush(Duration::from_millis(50)).ok();
        record = back;
    }
    Ok(())
}

/// Measures everything, and gives the tables.
///
/// # Errors
/// If a service or the engine can't be run, or does not come to its end.
pub fn measure(binary: &Path, plan: Plan, progress: &mut dyn FnMut(&str)) -> Result<String, Error> {
    let bench = Bench {
        kafka: Kafka::start(),
        redis: Redis::start_with(&["--appendfsync", "everysec"]),
        mariadb: MariaDb::start(),
        folder: TempDir::new().map_err(wrong)?,
        binary,
        plan,
    };
    let mut out = String::new();
    let mut throughput = Table::new(&["from Kafka, 12 partitions", "events/s", "CPU µs/event"]);
    for (name, checkpoint_ms) in [("checkpoints-hourly", 3_600_000), ("checkpoints-each-second", 1_000)] {
        progress(name);
        throughput.row(bench.throughput(name, checkpoint_ms)?);
    }
    // Into memory; that can't fail.
    let _ = writeln!(out, "{throughput}");
    progress("latency");
    let _ = writeln!(out, "{}", bench.latency()?);
    progress("publishing by SQL");
    let _ = writeln!(out, "{}", bench.publishing()?);
    progress("recovery");
    let _ = writeln!(out, "{}", bench.recovery()?);
    Ok(out)
}
