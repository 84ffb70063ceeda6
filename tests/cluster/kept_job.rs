//! A cluster of the program's processes for a job that is a replay with state: events come through a pipe.

use std::{
    collections::BTreeMap,
    fs,
    io::{PipeWriter, Write, pipe},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::Receiver,
    thread,
    time::{Duration, Instant},
};

use operators::model::{decode::EventFormat, wire::Codec};
use rusqlite::Connection;
use serde_json::Value as Json;
use sinks::LineOutput;
use strateye::{
    checkpoint::{MarkConfig, State},
    cluster::{Event, Outcome, Restart, Supervisor, SupervisorConfig},
    protocol::{message::Message, numbers::Numbers, time::Time},
    rules::breaker::BreakerConfig,
    run::{
        batches::BatchConfig,
        job::{Events, Job, Rules},
    },
    triggers::{
        destinations::{Destination, To},
        spools::Spools,
    },
};
use strateye_tests::command::WITHIN;

use crate::scene::{Scene, lines};

/// Rules and everything that they work on.
pub(crate) struct Case {
    pub(crate) rules: Vec<Json>,
    pub(crate) events: Vec<String>,
    pub(crate) profiles: Vec<Json>,
    /// Instant of publish of all rules, unix ms.
    pub(crate) publish_at: i64,
    /// Time of the last event, unix ms.
    pub(crate) last: i64,
}

/// Figures of the memory of all processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryFigures {
    pub(crate) bytes: usize,
    pub(crate) keys: usize,
    pub(crate) evicted: usize,
    pub(crate) reloads: u64,
}

/// What a job leaves.
pub(crate) struct Left {
    /// Lines of triggers, sorted.
    pub(crate) triggers: Vec<String>,
    /// Texts of the readable state, by name and key, after the last event.
    pub(crate) stored: BTreeMap<(String, String), String>,
}

/// A running job.
pub(crate) struct KeptJob {
    scene: Scene,
    supervisor: Supervisor,
    events: Receiver<Event>,
    input: PipeWriter,
    sent: u64,
    /// Latest numbers, by worker.
    numbers: BTreeMap<usize, Numbers>,
}

fn job(scene: &Scene, case: &Case, state_memory: usize) -> Job {
    let triggers = LineOutput::File(scene.path("triggers.jsonl"));
    Job {
        events: Events::Stdin,
        rules: Rules::Folder(scene.path("rules")),
        calculators: None,
        profiles: Some(scene.path("profiles.jsonl")),
        triggers: vec![Destination::all(To::Lines(triggers))],
        spools: Spools::OFF,
        state: State::Sqlite(scene.path("state.db")),
        mark: MarkConfig::default(),
        name: "test".to_owned(),
        owner: "test".to_owned(),
        checkpoint_ms: 50,
        breaker: BreakerConfig::default(),
        dead_letters: LineOutput::Nowhere,
        time: Time::Replay { publish_at: case.publish_at, epoch: 5 },
        fields: EventFormat::default(),
        codec: Codec::default(),
        batches: BatchConfig::default(),
        read_ahead: 1 << 20,
        state_memory: Some(state_memory),
        crowd_rows: 1 << 20,
        error_budget: 1_000_000,
        metrics: None,
    }
}

impl KeptJob {
    /// Starts a job whose processes may have `state_memory` bytes of state each.
    pub(crate) fn start(case: &Case, processes: usize, state_memory: usize) -> Self {
        let scene = Scene::with(&case.rules, &[]);
        scene.write("profiles.jsonl", &lines(&case.profiles.iter().map(Json::to_string).collect::<Vec<_>>()));
        let file = scene.path("job.json");
        fs::write(&file, serde_json::to_vec(&job(&scene, case, state_memory)).unwrap()).unwrap();
        let (reader, input) = pipe().unwrap();
        let config = SupervisorConfig { restart: Restart::Never, ..SupervisorConfig::new(processes) };
        let (supervisor, events) = Supervisor::start(config, move |process, _| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_strateye"));
            command.arg("process").env("STRATEYE_JOB", &file);
            command.stdin(match process {
                0 => Stdio::from(reader.try_clone().unwrap()),
                _ => Stdio::null(),
            });
            command
        })
        .unwrap();
        KeptJob { scene, supervisor, events, input, sent: 0, numbers: BTreeMap::new() }
    }

    /// Sends events, and waits until they are part of the readable state.
    pub(crate) fn send(&mut self, events: &[String]) {
        self.input.write_all(lines(events).as_bytes()).unwrap();
        self.sent += events.len() as u64;
        self.await_compacted(0);
        self.receive();
    }

    /// Waits until the first checkpoint that includes everything sent, and as many `further` ones, are part
    /// of the readable state.
    fn await_compacted(&self, further: u64) {
        let path = self.scene.path("state.db");
        let first = await_progress(&path, |progress| progress.position >= self.sent).committed;
        await_progress(&path, |progress| progress.compacted >= first + further);
    }

    /// Takes in the numbers that have arrived.
    fn receive(&mut self) {
        for event in self.events.try_iter() {
            if let Event::Message { message, .. } = event
                && let Message::Numbers(numbers) = Message::from_json(message).unwrap()
            {
                self.numbers.insert(numbers.worker, *numbers);
            }
        }
    }

    /// Waits for numbers that cover everything sent, and returns their sums.
    pub(crate) fn numbers(&mut self) -> MemoryFigures {
        let begun = Instant::now();
        let read = |numbers: &BTreeMap<usize, Numbers>| numbers.values().map(|n| n.records).sum::<u64>();
        while read(&self.numbers) < self.sent {
            assert!(begun.elapsed() < WITHIN, "{} of {} events are read", read(&self.numbers), self.sent);
            thread::sleep(PAUSE);
            self.receive();
        }
        let mut sum = MemoryFigures::default();
        for numbers in self.numbers.values() {
            sum.bytes += numbers.state_bytes;
            sum.keys += numbers.keys;
            sum.evicted += numbers.evicted_keys;
            sum.reloads += numbers.reloads;
        }
        sum
    }

    /// Ends the events, and with them the job, which must succeed.
    pub(crate) fn end(self) -> Left {
        // The first may have been taken before the clocks of its own epoch, and the second before those of
        // the first: once that is committed, they are applied.
        self.await_compacted(2);
        let stored = stored(&self.scene.path("state.db"));
        drop(self.input);
        assert_eq!(self.supervisor.wait().unwrap(), Outcome::Finished);
        let written = fs::read_to_string(self.scene.path("triggers.jsonl")).unwrap();
        let mut triggers: Vec<String> = written.lines().map(str::to_owned).collect();
        triggers.sort();
        Left { triggers, stored }
    }
}

/// Pause between two looks at a store, so that the cluster has the processor meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

/// Progress of the checkpoints in a store.
#[derive(Debug, Default)]
struct Progress {
    committed: u64,
    compacted: u64,
    /// First offset that the last commit does not include.
    position: u64,
}

fn progress(path: &Path) -> Option<Progress> {
    let (committed, compacted, manifest) = open(path)
        .query_row("SELECT n, folded, manifest FROM committed", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .ok()?;
    let manifest: Json = serde_json::from_slice(&manifest).unwrap();
    let position = manifest["positions"][0][1].as_u64().unwrap_or(0);
    Some(Progress { committed, compacted, position })
}

fn await_progress(path: &Path, holds: impl Fn(&Progress) -> bool) -> Progress {
    let begun = Instant::now();
    loop {
        let now = progress(path);
        match now {
            Some(progress) if holds(&progress) => return progress,
            _ => assert!(begun.elapsed() < WITHIN, "checkpoints stand at {now:?}"),
        }
        thread::sleep(PAUSE);
    }
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(WITHIN).unwrap();
    connection
}

fn stored(path: &Path) -> BTreeMap<(String, String), String> {
    let connection = open(path);
    let sql = "SELECT name, field, text FROM field JOIN hash ON field.hash = hash.id";
    let mut rows = connection.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}
