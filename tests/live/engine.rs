//! The engine under test, with its own topics, database and prefix on shared services.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::Path,
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use strateye_tests::{
    command::{Running, children},
    services::{Kafka, Mysql, Redis, RedisCluster, Service},
};

/// Partitions of the topic of events, unless a test needs others.
pub(crate) const PARTITIONS: u32 = 12;

/// Store of the state.
pub(crate) enum Store {
    Single(Redis),
    Cluster(RedisCluster),
}

impl Store {
    /// Addresses of all nodes.
    pub(crate) fn urls(&self) -> Vec<String> {
        match self {
            Store::Single(redis) => vec![redis.url()],
            Store::Cluster(cluster) => cluster.urls(),
        }
    }
}

impl Deref for Store {
    type Target = Service;

    fn deref(&self) -> &Service {
        match self {
            Store::Single(redis) => redis,
            Store::Cluster(cluster) => cluster,
        }
    }
}

/// Services of a test. A test that kills services has its own.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) redis: Arc<Store>,
    pub(crate) mysql: Arc<Mysql>,
}

static SHARED: LazyLock<Services> = LazyLock::new(Services::start);

impl Services {
    /// Starts services for one test.
    pub(crate) fn start() -> Self {
        Services {
            kafka: Arc::new(Kafka::start()),
            redis: Arc::new(Store::Single(Redis::start())),
            mysql: Arc::new(Mysql::start()),
        }
    }

    /// The services of all tests that kill none.
    pub(crate) fn shared() -> Self {
        SHARED.clone()
    }
}

/// An engine's environment, and the engine while it runs.
pub(crate) struct Engine {
    pub(crate) services: Services,
    pub(crate) name: String,
    /// Partitions of the topic of events.
    pub(crate) partitions: u32,
    folder: tempfile::TempDir,
    running: Option<Running>,
    /// Logs of the engines that have ended.
    pub(crate) log: Vec<String>,
}

/// Timeout of connecting to a Redis.
const PATIENCE: Duration = Duration::from_secs(2);

static NAMES: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(1));

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended by itself meanwhile.
    let _ = kill_process(pid, signal);
}

impl Engine {
    /// Creates topics and tables.
    pub(crate) fn prepare(services: Services) -> Self {
        Self::prepare_with(services, PARTITIONS)
    }

    /// Like [`prepare`](Self::prepare), with the given number of partitions of events.
    pub(crate) fn prepare_with(services: Services, partitions: u32) -> Self {
        let name = format!("live{}", NAMES.fetch_add(1, Ordering::SeqCst));
        services.kafka.topic(&format!("{name}-events"), partitions as usize);
        services.kafka.topic(&format!("{name}-now"), 3);
        services.kafka.topic(&format!("{name}-once"), 3);
        services.mysql.execute(&format!("CREATE DATABASE {name}"));
        let (folder, log) = (tempfile::tempdir().unwrap(), Vec::new());
        let engine = Engine { services, name, partitions, folder, running: None, log };
        sources::rules::migrate_mysql(&engine.database()).unwrap();
        std::fs::write(engine.folder.path().join("strateye.toml"), engine.settings()).unwrap();
        engine
    }

    /// URL of the database of its rules.
    fn database(&self) -> String {
        let (server, _) = self.services.mysql.url().rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    fn settings(&self) -> String {
        let (kafka, redis) = (self.services.kafka.address(), self.services.redis.urls());
        let (name, rules) = (&self.name, self.database());
        let (cluster, buckets) = match *self.services.redis {
            Store::Single(_) => (false, 1),
            Store::Cluster(_) => (true, 4),
        };
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
            urls = {redis:?}
            cluster = {cluster}
            buckets = {buckets}
            prefix = "{name}"
            [[sinks]]
            kafka = {{ brokers = "{kafka}", topic = "{name}-now" }}
            [[sinks]]
            kafka = {{ brokers = "{kafka}", topic = "{name}-once", delivery = "committed" }}
            "#
        )
    }

    /// Appends settings; to be called before the engine is started.
    pub(crate) fn set(&self, settings: &str) {
        let all = format!("{settings}\n{}", self.settings());
        std::fs::write(self.folder.path().join("strateye.toml"), all).unwrap();
    }

    /// Replaces a part of the settings; to be called before the engine is started.
    pub(crate) fn change_settings(&self, part: &str, by: &str) {
        let settings = self.settings();
        assert!(settings.contains(part), "{settings}");
        std::fs::write(self.folder.path().join("strateye.toml"), settings.replace(part, by)).unwrap();
    }

    /// Publishes a rule, or changes it, by plain SQL.
    pub(crate) fn publish(&self, rule: &Json) {
        let id = rule["rule_id"].as_str().unwrap();
        let text = rule.to_string().replace('\\', "\\\\").replace('\'', "''");
        self.services.mysql.execute(&format!(
            "INSERT INTO {}.rule_engine_resource (rule_id, rule_json) VALUES ('{id}', '{text}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)",
            self.name
        ));
    }

    /// Starts the engine with the given number of processes.
    pub(crate) fn start(&mut self, processes: u32) {
        self.start_in(processes, &[]);
    }

    /// Like [`start`](Self::start), with variables in its environment.
    pub(crate) fn start_in(&mut self, processes: u32, environment: &[(&str, String)]) {
        self.launch(processes, environment, &[]);
    }

    /// Like [`start`](Self::start), with more arguments.
    pub(crate) fn start_with(&mut self, processes: u32, arguments: &[&str]) {
        self.launch(processes, &[], arguments);
    }

    fn launch(&mut self, processes: u32, environment: &[(&str, String)], arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strateye"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.args(["run", "--config", "strateye.toml", "--processes", &processes.to_string()]);
        command.args(arguments);
        command.current_dir(self.folder.path());
        self.running = Some(Running::start(&mut command));
    }

    /// Runs the engine over a file of events to its end.
    pub(crate) fn run_over(&mut self, events: &Path) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strateye"));
        command.args(["run", "--config", "strateye.toml", "--processes", "2", "--events"]).arg(events);
        command.current_dir(self.folder.path());
        let finished = Running::start(&mut command).wait();
        assert_eq!(finished.code, Some(0), "{:#?}", finished.log);
        self.log.extend(finished.log);
    }

    /// Returns the running engine: it continues, and another one may be started beside it.
    pub(crate) fn let_go(&mut self) -> Running {
        self.running.take().expect("a running engine")
    }

    /// Takes back an engine that [`let_go`](Self::let_go) returned.
    pub(crate) fn take_up(&mut self, running: Running) {
        self.running = Some(running);
    }

    /// Folder of the engine.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("a running engine")
    }

    /// Changes the status of a rule by plain SQL.
    pub(crate) fn set_status(&self, rule_id: &str, status: &str) {
        self.services.mysql.execute(&format!(
            "UPDATE {}.rule_engine_resource SET status = '{status}' WHERE rule_id = '{rule_id}'",
            self.name
        ));
    }

    /// Waits until a rule's change to that version and state is in force.
    pub(crate) fn await_rule(&mut self, rule_id: &str, version: u64, state: &str) {
        let wanted = (rule_id.to_owned(), version, state.to_owned());
        self.running().log_until(&format!("{wanted:?}"), |line| (in_force(line)? == wanted).then_some(()));
    }

    /// Waits for a log line.
    pub(crate) fn log_until(&mut self, what: &str) {
        self.running().log_until(what, |line| line.contains(what).then_some(()));
    }

    /// Process ids of the cluster's living processes.
    pub(crate) fn processes(&mut self) -> Vec<u32> {
        children(self.running().pid())
    }

    /// Ends the engine as Ctrl-C does.
    pub(crate) fn stop(&mut self) {
        let running = self.running.take().expect("a running engine");
        signal(running.pid(), Signal::TERM);
        let finished = running.wait();
        assert_eq!(finished.code, Some(0), "{:#?}", finished.log);
        self.log.extend(finished.log);
    }

    /// Kills the supervisor, and with it all processes.
    pub(crate) fn kill(&mut self) {
        let running = self.running.take().expect("a running engine");
        signal(running.pid(), Signal::KILL);
        self.log.extend(running.wait().log);
    }

    /// First offsets, by partition, of each change of a rule in the end: by rule, version and state. A change
    /// after the checkpoint that a restart resumed took force once more, at other offsets; those count then.
    pub(crate) fn cuts(&self) -> BTreeMap<Change, BTreeMap<u32, u64>> {
        let cut = |line: &String| Some((in_force(line)?, live_cut(line)?));
        self.log.iter().filter_map(cut).collect()
    }

    /// Number and manifest of the last commit in Redis.
    pub(crate) fn committed(&self) -> Option<(u64, Json)> {
        let key = format!("{}:committed", self.name);
        let (n, manifest): (Option<u64>, Option<Vec<u8>>) =
            self.ask(redis::cmd("HMGET").arg(key).arg(&["n", "manifest"]))?;
        Some((n?, serde_json::from_slice(&manifest?).ok()?))
    }

    /// Answer of the node that serves the key; `None` while it is away.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let ask = |url: String| {
            let client = redis::Client::open(url).unwrap();
            command.query(&mut client.get_connection_with_timeout(PATIENCE).ok()?).ok()
        };
        self.services.redis.urls().into_iter().find_map(ask)
    }
}

/// A rule, its version and its state.
pub(crate) type Change = (String, u64, String);

fn said(line: &str) -> Option<Json> {
    let (_, change) = line.split_once("rule in force change=")?;
    serde_json::from_str(change).ok()
}

/// The change that a log line reports as in force.
pub(crate) fn in_force(line: &str) -> Option<Change> {
    let change = said(line)?;
    Some((
        change["rule_id"].as_str()?.to_owned(),
        change["version"].as_u64()?,
        change["state"].as_str()?.to_owned(),
    ))
}

/// The first offsets, by partition, of a change in a log line.
pub(crate) fn live_cut(line: &str) -> Option<BTreeMap<u32, u64>> {
    let change = said(line)?;
    let cut = change["live_cut"].as_object()?;
    cut.iter().map(|(p, offset)| Some((p.parse().ok()?, offset.as_u64()?))).collect()
}

/// Position of a partition in a manifest.
pub(crate) fn position(manifest: &Json, partition: u32) -> u64 {
    let pairs = manifest["positions"].as_array().cloned().unwrap_or_default();
    pairs.iter().find(|pair| pair[0] == json!(partition)).map_or(0, |pair| pair[1].as_u64().unwrap())
}
