//! The main of one process of the cluster.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use operators::{
    model::{
        decode::Decoder,
        ids::{PartitionId, Positions},
    },
    ops::Bounded,
    rule::{
        compiler::Compiler,
        register::{Ordered, Register},
    },
};
use sinks::LineOutput;
use sources::{
    SourceError,
    calculators::Calculators,
    events::{
        EventSource, FileSource, GeneratorConfig, GeneratorSource, KafkaSource, LineConfig, StreamSource,
    },
    profiles::{LineProfiles, ProfileStore},
    rules::{FolderRules, MysqlConfig, MysqlRules, RuleSource, SqliteRules},
};
use timely::{WorkerConfig, worker::Worker};

use super::{
    control::Control,
    events::{Open, Reading},
    graph::{self, Parts},
    job::{Events, Job, Rules},
    meter::{self, Gauges, Lags, Progress},
    pace::Pace,
    split_keys::SplitKeyLog,
    stall::Stall,
};
use crate::{
    checkpoint::{
        self, Keeper, Opened, Publisher, loader,
        taking::{Checkpoints, Delivery},
        writer,
    },
    cluster::{self, ClusterError, Membership},
    exit::{SINK_FAILED, STATE_LOST, STATE_UNUSABLE},
    protocol::{figures::RuleBoard, message::Message, time::Time},
    rules::{
        books::Books,
        breaker::Breaker,
        feed::{self, Feed},
        inbox::{self, EffectSender},
        preparation::Preparer,
        rule_log::RuleLog,
    },
    telemetry::messenger::Messenger,
    threads,
    triggers::destinations::{CommittedTopics, TriggerSinks},
};

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
    /// To the supervisor and to this process's own metrics.
    pub messenger: Messenger,
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
    let compiler = Compiler::default();
    let books = Books::start(compiler.clone());
    let (first, feed) = if membership.process == 0 {
        let (first, feed) = begin(job, around, compiler)?;
        (Some(first), Some(feed))
    } else {
        (None, None)
    };
    let first = Arc::new(Mutex::new(first));
    let mut config = WorkerConfig::default();
    // Without idle effort a replaced crowd would stay in the arrangement for ever.
    differential_dataflow::configure(
        &mut config,
        &differential_dataflow::Config::default().idle_merge_effort(Some(1_000)),
    );
    let (job, around, threads) = (job.clone(), around.clone(), membership.threads);
    let away = Arc::new(AtomicBool::new(false));
    let guards = cluster::execute(membership, config, move |worker| {
        let progress = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let first = match worker.index() {
            0 => first.lock().unwrap_or_else(PoisonError::into_inner).take(),
            _ => None,
        };
        let tick = match job.time {
            Time::Live { tick, .. } => Duration::from_millis(tick),
            Time::Replay { .. } => Duration::ZERO,
        };
        let (here, nowhere) = (worker.index() == 0, LineOutput::Nowhere);
        let triggers = Rc::new(sink(TriggerSinks::open(if here { &job.triggers } else { &[] })));
        let gauges = Gauges {
            sinks: Rc::clone(&triggers),
            keeper: first.as_ref().and_then(|first| first.keeper.as_ref()).map(Keeper::gauge),
            rules: first.as_ref().map(|first| first.rules.clone()),
            ..Gauges::default()
        };
        let reading = Reading {
            live: job.time.is_live(),
            ends: worker.index() != 0 || !matches!(job.events, Events::None),
            read_ahead: job.read_ahead,
            stopping: Arc::clone(&around.stopping),
            progress: Arc::clone(&progress),
            epoch: Rc::clone(&gauges.epoch),
        };
        let dead_letters = sink(if here { job.dead_letters.open() } else { nowhere.open() });
        let parts = Parts {
            control: first.map(|first| first.control(&job, &around, Rc::clone(&triggers))),
            open: opener(&job.events, worker.index(), worker.peers(), Arc::clone(&gauges.lags)),
            reading,
            books: books.clone(),
            decoder: Decoder::new(&job.fields),
            state: job.state.clone(),
            writer: start_writer(&job, worker.index()),
            bounded: bounded(&job, threads, &away),
            away: Arc::clone(&away),
            triggers,
            dead_letters,
        };
        let probe = graph::build(worker, parts, &gauges);
        let (began, split) = (Cell::new(None::<Instant>), SplitKeyLog::default());
        let report = |last: bool, worker: usize| {
            let progress = Progress {
                bytes: (progress.0.load(Ordering::Relaxed), progress.1.load(Ordering::Relaxed)),
                seconds: began.get().map_or(0.0, |b: Instant| b.elapsed().as_secs_f64()),
                incomplete: probe.with_frontier(|frontier| frontier.first().copied()),
            };
            let numbers = meter::numbers(worker, last, &gauges, progress);
            around.messenger.send(Message::Numbers(Box::new(numbers)));
            gauges.notes.borrow_mut().drain(..).for_each(|note| tracing::warn!("{note}"));
            split.log(&gauges.split.borrow());
        };
        let stepped = |before: Instant| {
            if began.get().is_none() && gauges.matching.get().records > 0 {
                began.set(Some(before));
            }
        };
        let mut stall = (worker.index() == 0).then(|| Stall::new(Rc::clone(&gauges.waits)));
        let alive = || {
            let full = {
                let sink = gauges.sink.borrow();
                sink.full || sink.refused_wait
            };
            stall.as_mut().is_none_or(|stall| stall.is_alive(&probe, full, Instant::now()))
        };
        let pace = Pace::new(tick);
        step_until_done(worker, pace, &around.ticks, alive, stepped, |worker| report(false, worker));
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
    pace: Pace,
    ticks: &AtomicU64,
    mut alive: impl FnMut() -> bool,
    stepped: impl Fn(Instant),
    report: impl Fn(usize),
) {
    let mut reported = Instant::now();
    while worker.has_dataflows() {
        let before = Instant::now();
        worker.step_or_park(Some(Duration::from_millis(100)));
        pace.wait(worker);
        stepped(before);
        // Without it the supervisor restarts the cluster.
        if alive() {
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        if reported.elapsed() >= meter::EVERY {
            reported = Instant::now();
            report(worker.index());
        }
    }
}

/// What process 0 has before its worker begins.
struct First {
    start: Arc<operators::ops::Start>,
    keeper: Option<Keeper>,
    changes: mpsc::Receiver<Ordered>,
    effects: EffectSender,
    rules: RuleBoard,
}

impl First {
    fn control(self, job: &Job, around: &Surroundings, triggers: Rc<TriggerSinks>) -> Control {
        let holds = job.triggers.iter().any(|d| d.is_committed());
        let every = Duration::from_millis(job.checkpoint_ms);
        let delivery: Rc<dyn Delivery> = triggers;
        let made = |keeper| Checkpoints::new(keeper, &self.start, every, Rc::clone(&delivery), holds);
        let checkpoints = self.keeper.map(made);
        let epoch = match job.time {
            Time::Live { epoch, .. } => Duration::from_millis(epoch),
            Time::Replay { .. } => Duration::from_millis(10),
        };
        Control {
            start: self.start,
            changes: self.changes,
            effects: self.effects,
            checkpoints,
            delivery,
            epoch,
            stopping: Arc::clone(&around.stopping),
        }
    }
}

/// Takes the ownership of the state, and starts the rules feed.
fn begin(
    job: &Job,
    around: &Surroundings,
    compiler: Compiler,
) -> Result<(First, thread::JoinHandle<()>), ProcessError> {
    let publisher = || {
        let topics = sink(CommittedTopics::open(&job.triggers, &job.name))?;
        let store = state(job.state.open())?;
        Some(Publisher::start(store, Box::new(topics)).unwrap_or_else(|reason| {
            tracing::error!(reason, "triggers can't be published");
            std::process::exit(SINK_FAILED)
        }))
    };
    let opened = state(checkpoint::open(&job.state, &job.owner, publisher));
    let (keeper, start, remembered) = match opened {
        Some(Opened { keeper, start, remembered }) => (Some(keeper), start, remembered),
        None => (None, operators::ops::Start::default(), Vec::new()),
    };
    if let Some(checkpoint) = start.checkpoint {
        tracing::info!(checkpoint = checkpoint.0, generation = start.generation.0, rules = remembered.len(), positions = %start.positions, "resuming");
    }
    let source: Box<dyn RuleSource> = match &job.rules {
        Rules::Folder(path) => Box::new(FolderRules::open(path)?),
        Rules::Sqlite(path) => Box::new(SqliteRules::open(path)?),
        Rules::Mysql(url) => Box::new(MysqlRules::open(&MysqlConfig::new(url.as_str()))?),
    };
    let (change_to, changes) = mpsc::sync_channel(1);
    let (effects, inbox) = inbox::inbox();
    let rules = RuleBoard::default();
    let profiles = job.profiles.clone().map(LineProfiles::new);
    let feed = Feed {
        source,
        register: Register::from_remembered(remembered, job.error_budget),
        preparer: Preparer {
            calculators: Calculators::new(job.calculators.clone()),
            profiles: profiles.map(|profiles| Box::new(profiles) as Box<dyn ProfileStore>),
            compiler,
            time: job.time,
        },
        breaker: Breaker::new(job.breaker),
        changes: change_to,
        inbox,
        log: RuleLog { messenger: around.messenger.clone(), rules: rules.clone() },
    };
    let feed = threads::spawn("rules:feed", move || feed::run(feed));
    Ok((First { start: Arc::new(start), keeper, changes, effects, rules }, feed))
}

/// Ends the process if a sink can't be opened.
fn sink<T, E: std::fmt::Display>(opened: Result<T, E>) -> T {
    opened.unwrap_or_else(|error| {
        tracing::error!(%error, "a sink can't be opened");
        std::process::exit(SINK_FAILED)
    })
}

/// Ends the process if its state can't be had.
fn state<T>(opened: Result<T, sinks::checkpoint::CheckpointError>) -> T {
    opened.unwrap_or_else(|error| {
        tracing::error!(%error, "the state can't be had");
        std::process::exit(if error.is_transient() { STATE_LOST } else { STATE_UNUSABLE })
    })
}

fn start_writer(job: &Job, worker: usize) -> Option<(writer::Writer, writer::Written)> {
    let holds = job.triggers.iter().any(|d| d.is_committed());
    state(job.state.open()).map(|store| writer::start(store, worker, holds))
}

/// What bounds the memory of one of so many workers of this process.
fn bounded(job: &Job, threads: usize, away: &Arc<AtomicBool>) -> Option<Bounded> {
    let bytes = job.state_memory? / threads.max(1);
    let loader = loader::start(state(job.state.open())?, Arc::clone(away));
    Some(Bounded { bytes, loader: Box::new(loader) })
}

/// Opens what a worker reads: a file or standard input is one partition, read by worker 0; the generator has one per worker; of a topic
/// worker w reads the partitions p with p mod workers = w.
fn opener(events: &Events, worker: usize, peers: usize, lags: Lags) -> Open {
    let events = events.clone();
    Box::new(move |resume: &Positions| {
        let at = |partition: PartitionId| resume.get(partition).unwrap_or_default();
        let lines = LineConfig { first_offset: at(PartitionId(0)), ..LineConfig::default() };
        let source: Box<dyn EventSource> = match events {
            Events::File(path) if worker == 0 => Box::new(FileSource::open(&path, lines)?),
            Events::Stdin if worker == 0 => Box::new(StreamSource::stdin(lines)?),
            Events::Generator(config) => Box::new(GeneratorSource::new(GeneratorConfig {
                rate: config.rate / peers as f64,
                partition: PartitionId(worker as u32),
                partitions: peers as u32,
                first_offset: at(PartitionId(worker as u32)),
                ..config
            })?),
            Events::Kafka(config) => {
                let source = KafkaSource::open(config, worker as u32, peers as u32, resume)?;
                // It is opened once.
                let _ = lags.set(source.lags());
                Box::new(source)
            }
            Events::File(_) | Events::Stdin | Events::None => return Ok(None),
        };
        Ok(Some(source))
    })
}
