//! The main of one process of the cluster.

use std::{
    cell::Cell,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use operators::model::decode::Decoder;
use sinks::LineOutput;
use sources::{
    SourceError,
    calculators::Calculators,
    events::{FileSource, GeneratorConfig, GeneratorSource, LineConfig, StreamSource},
    rules::{FolderRules, RuleSource, SqliteRules},
};
use timely::{WorkerConfig, progress::Antichain, worker::Worker};

use super::{
    control::Control,
    events::{Partition, Reading},
    exit::{SINK_FAILED, SOURCE_FAILED},
    feed::{self, Feed},
    graph::{self, Parts},
    job::{Events, Job, Rules, Time},
    meter::{self, Gauges, News, Reporter},
    shelf::Books,
};
use crate::cluster::{self, ClusterError, Membership};

/// Without progress of the dataflow for so long, the process stops its heartbeat, and the supervisor restarts the cluster.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Why a process could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The cluster did not form, or broke.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A source could not be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A worker panicked.
    #[error("a worker ended with: {0}")]
    Worker(String),
}

/// What a process has to do with those outside.
#[derive(Clone)]
pub struct Surroundings {
    /// Where numbers and news go.
    pub reporter: Reporter,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
    /// Counted up while the worker makes progress: the heartbeat.
    pub ticks: Arc<AtomicU64>,
}

/// Runs a process to the end of the work.
///
/// # Errors
/// If it can't take part in the cluster or open what it reads and writes.
pub fn run(job: &Job, membership: &Membership, around: &Surroundings) -> Result<(), ProcessError> {
    job.codec.choose();
    let books = Books::start();
    let first = membership.process == 0;
    let (control, feed) =
        if first { start_feed(job, around).map(|(c, f)| (Some(c), Some(f)))? } else { (None, None) };
    let control = Arc::new(Mutex::new(control));
    let mut config = WorkerConfig::default();
    // Without idle effort a replaced crowd would stay in the arrangement for ever.
    differential_dataflow::configure(
        &mut config,
        &differential_dataflow::Config::default().idle_merge_effort(Some(1_000)),
    );
    let (job, around) = (job.clone(), around.clone());
    let guards = cluster::execute(membership, config, move |worker| {
        let progress = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let control = if worker.index() == 0 {
            control.lock().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            None
        };
        let tick = match job.time {
            Time::Live { tick, .. } => Duration::from_millis(tick),
            Time::Replay { .. } => Duration::ZERO,
        };
        let partitions = match partitions(&job.events, worker.index(), worker.peers()) {
            Ok(partitions) => partitions,
            Err(error) => {
                tracing::error!(%error, "a source of events can't be opened");
                std::process::exit(SOURCE_FAILED);
            }
        };
        let reading = Reading {
            tick,
            live: job.time.is_live(),
            ends: worker.index() != 0 || !matches!(job.events, Events::None),
            read_ahead: job.read_ahead,
            stopping: Arc::clone(&around.stopping),
            progress: Arc::clone(&progress),
        };
        let open = |output: &LineOutput| {
            let output = if worker.index() == 0 { output } else { &LineOutput::Nowhere };
            output.open().unwrap_or_else(|error| {
                tracing::error!(%error, "a sink can't be opened");
                std::process::exit(SINK_FAILED);
            })
        };
        let parts = Parts {
            control,
            partitions,
            reading,
            books: books.clone(),
            decoder: Decoder::new(&job.fields),
            triggers: open(&job.triggers),
            dead_letters: open(&job.dead_letters),
        };
        let gauges = Gauges::default();
        let probe = graph::build(worker, parts, &gauges);
        let began = Cell::new(None::<Instant>);
        let report = |last: bool, worker: usize| {
            let progress = (progress.0.load(Ordering::Relaxed), progress.1.load(Ordering::Relaxed));
            let numbers = meter::numbers(
                worker,
                last,
                &gauges,
                progress,
                began.get().map_or(0.0, |b: Instant| b.elapsed().as_secs_f64()),
            );
            around.reporter.send(serde_json::json!({"numbers": numbers}));
        };
        let stepped = |before: Instant| {
            if began.get().is_none() && gauges.matching.get().records > 0 {
                began.set(Some(before));
            }
        };
        step_until_done(worker, &probe, &around.ticks, stepped, |worker| report(false, worker));
        report(true, worker.index());
    })?;
    for result in guards.join() {
        result.map_err(ProcessError::Worker)?;
    }
    if let Some(feed) = feed {
        // It ends with `control`, having told all it heard; a panic of its has ended the process.
        let _ = feed.join();
    }
    Ok(())
}

fn step_until_done(
    worker: &mut Worker,
    probe: &timely::dataflow::ProbeHandle<u64>,
    ticks: &AtomicU64,
    stepped: impl Fn(Instant),
    report: impl Fn(usize),
) {
    let mut reported = Instant::now();
    let mut frontier = Antichain::new();
    let mut moved = Instant::now();
    while worker.has_dataflows() {
        let before = Instant::now();
        worker.step_or_park(Some(Duration::from_millis(100)));
        stepped(before);
        let moves = probe.with_frontier(|f| {
            let moves = *f != *frontier.borrow();
            if moves {
                frontier = Antichain::from_iter(f.iter().copied());
            }
            moves
        });
        if moves {
            moved = Instant::now();
        }
        if moved.elapsed() < STALLED_AFTER {
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        if reported.elapsed() >= meter::EVERY {
            reported = Instant::now();
            report(worker.index());
        }
    }
}

/// Starts the rules feed and gives what `control` needs of it.
fn start_feed(job: &Job, around: &Surroundings) -> Result<(Control, thread::JoinHandle<()>), ProcessError> {
    let source: Box<dyn RuleSource> = match &job.rules {
        Rules::Folder(path) => Box::new(FolderRules::open(path)?),
        Rules::Sqlite(path) => Box::new(SqliteRules::open(path)?),
    };
    let (change_to, changes) = mpsc::sync_channel(1);
    let (effects, effects_from) = mpsc::channel();
    let feed = Feed {
        source,
        calculators: Calculators::new(job.calculators.clone()),
        profiles: job.profiles.clone(),
        time: job.time,
        error_budget: job.error_budget,
        changes: change_to,
        effects: effects_from,
        news: News { reporter: around.reporter.clone() },
    };
    let feed = thread::spawn(move || feed::run(feed));
    let epoch = match job.time {
        Time::Live { epoch, .. } => Duration::from_millis(epoch),
        Time::Replay { .. } => Duration::from_millis(10),
    };
    Ok((Control { changes, effects, epoch, stopping: Arc::clone(&around.stopping) }, feed))
}

/// What a worker reads: a file or standard input is one partition, read by worker 0; the generator has one per worker.
fn partitions(events: &Events, worker: usize, peers: usize) -> Result<Vec<Partition>, SourceError> {
    let source: Box<dyn sources::events::EventSource> = match events {
        Events::File(path) if worker == 0 => Box::new(FileSource::open(path, LineConfig::default())?),
        Events::Stdin if worker == 0 => Box::new(StreamSource::stdin(LineConfig::default())?),
        Events::Generator(config) => Box::new(GeneratorSource::new(GeneratorConfig {
            rate: config.rate / peers as f64,
            partition: worker as u32,
            partitions: peers as u32,
            ..config.clone()
        })?),
        Events::File(_) | Events::Stdin | Events::None => return Ok(Vec::new()),
    };
    let number = if matches!(events, Events::Generator(_)) { worker as u32 } else { 0 };
    Ok(vec![Partition { number, source }])
}
