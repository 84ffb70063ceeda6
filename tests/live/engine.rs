//! The engine under test, with its own topics, database and prefix on shared services.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::{
    command::{Running, children},
    services::{Kafka, MariaDb, Redis},
};

/// Partitions of the topic of events.
pub(crate) const PARTITIONS: u32 = 12;

/// The services of a test: its own, as they are killed.
pub(crate) struct Services {
    pub(crate) kafka: Kafka,
    pub(crate) redis: Redis,
    pub(crate) mariadb: MariaDb,
}

impl Services {
    pub(crate) fn start() -> Self {
        Services { kafka: Kafka::start(), redis: Redis::start(), mariadb: MariaDb::start() }
    }
}

/// An engine's surroundings, and the engine while it runs.
pub(crate) struct Engine {
    pub(crate) services: Services,
    pub(crate) name: String,
    folder: tempfile::TempDir,
    running: Option<Running>,
    /// Where each rule's latest change took force: rule id, then what was said of it.
    pub(crate) in_force: BTreeMap<String, Json>,
}

static NAMES: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(1));

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself meanwhile.
    let _ = kill_process(pid, signal);
}

impl Engine {
    /// Makes topics and tables.
    pub(crate) fn prepare(services: Services) -> Self {
        let name = format!("live{}", NAMES.fetch_add(1, Ordering::SeqCst));
        services.kafka.topic(&format!("{name}-events"), PARTITIONS as usize);
        services.kafka.topic(&format!("{name}-now"), 3);
        services.kafka.topic(&format!("{name}-once"), 3);
        sources::rules::migrate_mysql(services.mariadb.url()).unwrap();
        let engine = Engine {
            services,
            name,
            folder: tempfile::tempdir().unwrap(),
            running: None,
            in_force: BTreeMap::new(),
        };
        std::fs::write(engine.folder.path().join("strateye.toml"), engine.settings()).unwrap();
        engine
    }

    fn settings(&self) -> String {
        let (kafka, redis) = (self.services.kafka.address(), self.services.redis.url());
        let (name, rules) = (&self.name, self.services.mariadb.url());
        format!(
            r#"
            name = "{name}"
            rules = "{rules}"
            checkpoint_ms = 500
            restarts_per_minute = 1000
            [kafka]
            brokers = "{kafka}"
            topic = "{name}-events"
            group = "{name}"
            start = "earliest"
            [redis]
            urls = ["{redis}"]
            prefix = "{name}"
            [[sinks]]
            to = {{ kafka = {{ brokers = "{kafka}", topic = "{name}-now" }} }}
            [[sinks]]
            to = {{ kafka = {{ brokers = "{kafka}", topic = "{name}-once", delivery = "committed" }} }}
            "#
        )
    }

    /// Publishes a rule, or changes it, by plain SQL.
    pub(crate) fn publish(&self, rule: &Json) {
        let id = rule["rule_id"].as_str().unwrap();
        let text = rule.to_string().replace('\\', "\\\\").replace('\'', "''");
        self.services.mariadb.execute(&format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{id}', '{text}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)"
        ));
    }

    /// Starts the engine with so many processes.
    pub(crate) fn start(&mut self, processes: u32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strateye"));
        command.args(["run", "--config", "strateye.toml", "--processes", &processes.to_string()]);
        command.current_dir(self.folder.path());
        self.running = Some(Running::start(&mut command));
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("a running engine")
    }

    /// Waits until a rule's change of that kind is in force.
    pub(crate) fn await_rule(&mut self, rule_id: &str, state: &str) -> Json {
        let found = self.running().log_until(&format!("{rule_id} {state}"), |line| {
            let change = in_force(line)?;
            (change["rule_id"] == rule_id && change["state"] == state).then_some(change)
        });
        self.in_force.insert(rule_id.to_owned(), found.clone());
        found
    }

    /// Waits for a line of the log.
    pub(crate) fn log_until(&mut self, what: &str) {
        self.running().log_until(what, |line| line.contains(what).then_some(()));
    }

    /// The processes of the cluster, as far as they live.
    pub(crate) fn processes(&mut self) -> Vec<u32> {
        children(self.running().pid())
    }

    /// Ends the engine as Ctrl-C does; gives its log.
    pub(crate) fn stop(&mut self) -> Vec<String> {
        let running = self.running.take().expect("a running engine");
        signal(running.pid(), Signal::TERM);
        let finished = running.wait();
        assert_eq!(finished.code, Some(0), "{:#?}", finished.log);
        finished.log
    }

    /// Kills the supervisor, and so everything.
    pub(crate) fn kill(&mut self) -> Vec<String> {
        let running = self.running.take().expect("a running engine");
        signal(running.pid(), Signal::KILL);
        running.wait().log
    }

    /// The number of the last commit and its manifest, as Redis has them.
    pub(crate) fn committed(&self) -> Option<(u64, Json)> {
        let client = redis::Client::open(self.services.redis.url()).unwrap();
        let mut connection = client.get_connection().ok()?;
        let (n, manifest): (Option<u64>, Option<Vec<u8>>) = redis::cmd("HMGET")
            .arg(format!("{}:committed", self.name))
            .arg(&["n", "manifest"])
            .query(&mut connection)
            .ok()?;
        Some((n?, serde_json::from_slice(&manifest?).ok()?))
    }
}

/// What a line of the log says of a rule that took force.
pub(crate) fn in_force(line: &str) -> Option<Json> {
    let (_, change) = line.split_once("rule in force change=")?;
    serde_json::from_str(change).ok()
}

/// A position that a manifest names.
pub(crate) fn position(manifest: &Json, partition: u32) -> u64 {
    let pairs = manifest["positions"].as_array().cloned().unwrap_or_default();
    pairs.iter().find(|pair| pair[0] == json!(partition)).map_or(0, |pair| pair[1].as_u64().unwrap())
}
