//! Failures that end a process, seen from the caller of [`run`].
//!
//! It returns them although the worker continues or is blocked.

use std::{
    fs,
    path::Path,
    sync::{atomic::Ordering, mpsc},
    time::{Duration, Instant},
};

use operators::model::{decode::EventFormat, wire::Codec};
use sinks::{
    LineOutput,
    checkpoint::{CheckpointStore, SqliteCheckpoints},
};
use tempfile::TempDir;

use super::*;
use crate::{
    checkpoint::{MarkConfig, State},
    cluster::bootstrap::testing::unix_memberships,
    exit::{Fatal, SINK_FAILED, SOURCE_FAILED, STATE_LOST},
    protocol::time::Time,
    rules::breaker::BreakerConfig,
    run::{
        batches::BatchConfig,
        job::{Events, Rules},
    },
    telemetry::messenger::Messenger,
    threads,
    triggers::{
        destinations::{Destination, To},
        spools::Spools,
    },
};

/// Timeout far above the duration of any step.
const WITHIN: Duration = Duration::from_secs(60);

const RULE: &str = r#"{"rule_id": "r", "trigger": {"event": {"id": "T"}}}"#;
const EVENT: &str =
    r#"{"guid": 1, "ip": "10.0.0.7", "event_id": "T", "event_time": 1793491200000, "properties": {}}"#;

/// Job with a rule that fires at every event T, and one such event.
fn job(folder: &Path) -> Job {
    let (rules, events) = (folder.join("rules"), folder.join("events.jsonl"));
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("r.json"), RULE).unwrap();
    fs::write(&events, format!("{EVENT}\n")).unwrap();
    Job {
        events: Events::File(events),
        rules: Rules::Folder(rules),
        calculators: None,
        profiles: None,
        triggers: Vec::new(),
        spools: Spools::OFF,
        state: State::None,
        mark: MarkConfig::default(),
        name: "test".to_owned(),
        owner: "test".to_owned(),
        checkpoint_ms: 50,
        breaker: BreakerConfig::default(),
        dead_letters: LineOutput::Nowhere,
        time: Time::Replay { publish_at: 0, epoch: 10 },
        fields: EventFormat::default(),
        codec: Codec::default(),
        batches: BatchConfig::default(),
        read_ahead: 1 << 20,
        state_memory: None,
        crowd_rows: 1 << 20,
        error_budget: 100,
        metrics: None,
    }
}

/// A process running on a thread of this test.
struct Running {
    folder: TempDir,
    ended: mpsc::Receiver<Result<(), ProcessError>>,
    stopping: Arc<AtomicBool>,
}

impl Running {
    fn start(change: impl FnOnce(&mut Job, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut job = job(folder.path());
        change(&mut job, folder.path());
        let membership = unix_memberships(folder.path(), 1).remove(0);
        let stopping = Arc::new(AtomicBool::new(false));
        let around = Surroundings {
            messenger: Messenger::default(),
            stopping: Arc::clone(&stopping),
            ticks: Arc::default(),
            run_directory: None,
        };
        let (to, ended) = mpsc::channel();
        threads::spawn("test", move || to.send(run(&job, &membership, &around)));
        Running { folder, ended, stopping }
    }

    fn end(&self) -> Result<(), ProcessError> {
        self.ended.recv_timeout(WITHIN).unwrap()
    }

    fn failure(&self) -> Fatal {
        match self.end() {
            Err(ProcessError::Fatal(fatal)) => fatal,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Threads that did not fail end by themselves.
        self.stopping.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_process_without_a_failure_ends_with_its_work() {
    let running = Running::start(|job, folder| {
        let lines = LineOutput::File(folder.join("triggers.jsonl"));
        job.triggers = vec![Destination::all(To::Lines(lines))];
    });
    running.end().unwrap();
    let triggers = fs::read_to_string(running.folder.path().join("triggers.jsonl")).unwrap();
    assert_eq!(triggers.lines().count(), 1, "{triggers}");
}

#[test]
fn a_sink_that_fails_for_good_ends_the_process() {
    let running = Running::start(|job, _| {
        job.triggers = vec![Destination::all(To::Lines(LineOutput::File("/dev/full".into())))];
    });
    let fatal = running.failure();
    assert_eq!((fatal.code, fatal.what), (SINK_FAILED, "a sink failed"), "{fatal}");
}

#[test]
fn a_sink_that_can_not_be_opened_ends_the_process() {
    let running = Running::start(|job, folder| {
        job.dead_letters = LineOutput::File(folder.join("missing").join("dead.jsonl"));
    });
    let fatal = running.failure();
    assert_eq!((fatal.code, fatal.what), (SINK_FAILED, "a sink can't be opened"), "{fatal}");
}

#[test]
fn a_source_that_failed_ends_the_process() {
    let running = Running::start(|job, folder| job.events = Events::File(folder.join("missing.jsonl")));
    let fatal = running.failure();
    assert_eq!((fatal.code, fatal.what), (SOURCE_FAILED, "a source of events failed"), "{fatal}");
}

#[test]
fn a_fenced_owner_ends_its_process() {
    let running = Running::start(|job, folder| {
        (job.events, job.time) = (Events::None, Time::Live { epoch: 10, tick: 1 });
        job.state = State::Sqlite(folder.join("state.db"));
    });
    let mut store = SqliteCheckpoints::open(&running.folder.path().join("state.db")).unwrap();
    let until = Instant::now() + WITHIN;
    while store.committed().unwrap().is_none() {
        assert!(Instant::now() < until, "no commit was made");
        std::thread::yield_now();
    }
    store.take("test", WITHIN).unwrap();
    let fatal = running.failure();
    assert_eq!((fatal.code, fatal.what), (STATE_LOST, "checkpoints can't continue"), "{fatal}");
}
