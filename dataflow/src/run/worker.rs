//! One worker: its inputs and outputs, its graph, and the loop that steps it to the end.

use std::{
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use operators::{
    model::{decode::Decoder, epoch::Epoch},
    ops::Bounded,
    rule::compiler::Compiler,
};
use sinks::LineOutput;
use sources::events::ReadProgress;
use timely::{dataflow::ProbeHandle, worker::Worker};

use super::{
    awaiting::Awaiting,
    event_source::opener,
    events::Reading,
    graph::{self, Parts},
    job::{Events, Job},
    meter::{self, Gauges, Progress},
    pace::Pace,
    process_zero::ProcessZero,
    split_keys::SplitKeyLog,
    stall::Stall,
    surroundings::Surroundings,
};
use crate::{
    checkpoint::{Keeper, loader, writer},
    exit::{ExitHandle, Fatal, SINK_FAILED},
    protocol::{message::Message, time::Time},
    rules::books::Books,
    triggers::destinations::TriggerSinks,
};

/// Upper bound of a worker's sleep while nothing is due.
const LONGEST_PARK: Duration = Duration::from_millis(100);

/// Context shared by the workers of a process.
pub(super) struct WorkerContext {
    pub(super) job: Job,
    pub(super) around: Surroundings,
    pub(super) exit: ExitHandle,
    pub(super) compiler: Compiler,
    pub(super) books: Books,
    /// What this process waits for.
    pub(super) awaiting: Awaiting,
    /// Number of workers of this process.
    pub(super) threads: usize,
    /// Set while the store of evicted keys can't be reached.
    pub(super) away: Arc<AtomicBool>,
    /// The rules feed, once worker 0 has started it.
    pub(super) feed: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl WorkerContext {
    /// Builds a worker's graph and steps it until all work is done; a failure ends the process.
    pub(super) fn run(&self, worker: &mut Worker) {
        let work = |worker: &mut Worker| self.build(worker)?.run(worker);
        work(worker).unwrap_or_else(|fatal| self.exit.end(fatal));
    }

    fn build(&self, worker: &mut Worker) -> Result<WorkerLoop<'_>, Fatal> {
        let job = &self.job;
        let here = worker.index() == 0;
        let zero = if here { Some(self.start_zero()?) } else { None };
        let triggers =
            if here { TriggerSinks::open(&job.triggers, &job.spools) } else { Ok(TriggerSinks::default()) };
        let triggers = triggers.map_err(not_opened)?;
        let triggers = Rc::new(triggers);
        let dead_letters = if here { &job.dead_letters } else { &LineOutput::Nowhere };
        let gauges = Gauges {
            sinks: Rc::clone(&triggers),
            keeper: zero.as_ref().and_then(|zero| zero.keeper.as_ref()).map(Keeper::gauge),
            rules: zero.as_ref().map(|zero| zero.rules.clone()),
            ..Gauges::default()
        };
        let read = Arc::<Mutex<ReadProgress>>::default();
        let reading = Reading {
            live: job.time.is_live(),
            ends: !here || !matches!(job.events, Events::None),
            read_ahead: job.read_ahead,
            stopping: Arc::clone(&self.around.stopping),
            progress: Arc::clone(&read),
            epoch: Rc::clone(&gauges.epoch),
            exit: self.exit.clone(),
            name: job.events.to_string(),
            awaiting: self.awaiting.clone(),
            first_reads: self.first_reads(worker.index()),
        };
        let parts = Parts {
            control: zero.map(|zero| zero.control(job, &self.around, Rc::clone(&triggers))),
            open: opener(job, worker.index(), worker.peers(), Arc::clone(&gauges.lags)),
            reading,
            books: self.books.clone(),
            decoder: Decoder::new(&job.fields),
            dedupe_for: job.fields.dedupe_for,
            max_routed: job.batches.routed,
            state: job.state.clone(),
            writer: self.start_writer(worker.index())?,
            bounded: self.bounded()?,
            away: Arc::clone(&self.away),
            triggers,
            dead_letters: dead_letters.open().map_err(not_opened)?,
            exit: self.exit.clone(),
        };
        let probe = graph::build(worker, parts, &gauges);
        let stall = here.then(|| Stall::new(Rc::clone(&gauges.waits)));
        Ok(WorkerLoop {
            context: self,
            gauges,
            probe,
            read,
            stall,
            begun: None,
            split: SplitKeyLog::default(),
        })
    }

    /// File in which a live worker notes when it reads events first, if there is a place for it, and the same events
    /// can be read again: what follows in a pipe has the same offsets and is something else.
    fn first_reads(&self, worker: usize) -> Option<PathBuf> {
        let again = match &self.job.events {
            Events::Kafka(_) => true,
            Events::File(path) | Events::SortedFile(path) => path.is_file(),
            Events::Stdin | Events::Generator(_) | Events::None => false,
        };
        let directory = self.around.run_directory.as_ref().filter(|_| again && self.job.time.is_live())?;
        Some(directory.join(format!("first-reads-{worker}")))
    }

    /// Takes the ownership of the state and starts the rules feed.
    fn start_zero(&self) -> Result<ProcessZero, Fatal> {
        let WorkerContext { job, around, compiler, awaiting, exit, .. } = self;
        let (zero, feed) = ProcessZero::start(job, around, compiler.clone(), awaiting, exit)?;
        *self.feed.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
        Ok(zero)
    }

    fn start_writer(&self, worker: usize) -> Result<Option<(writer::Writer, writer::Written)>, Fatal> {
        let holds = self.job.triggers.iter().any(|d| d.is_committed());
        Ok(self
            .job
            .state
            .open(&self.awaiting)?
            .map(|store| writer::start(store, worker, holds, self.exit.clone())))
    }

    /// Bound of the memory of one of this process's workers; `None` without a bound.
    fn bounded(&self) -> Result<Option<Bounded>, Fatal> {
        let Some(bytes) = self.job.state_memory else { return Ok(None) };
        let Some(store) = self.job.state.open(&self.awaiting)? else { return Ok(None) };
        let loader = loader::start(store, Arc::clone(&self.away), self.exit.clone());
        Ok(Some(Bounded { bytes: bytes / self.threads.max(1), loader: Box::new(loader) }))
    }
}

fn not_opened(error: impl std::fmt::Display) -> Fatal {
    Fatal::new(SINK_FAILED, "a sink can't be opened", error)
}

/// A worker with its graph.
struct WorkerLoop<'c> {
    context: &'c WorkerContext,
    gauges: Gauges,
    probe: ProbeHandle<Epoch>,
    /// Progress of the source, set by its thread.
    read: Arc<Mutex<ReadProgress>>,
    /// Observer of the cluster's frontier, on worker 0.
    stall: Option<Stall>,
    /// Instant at which the first record was read.
    begun: Option<Instant>,
    split: SplitKeyLog,
}

impl WorkerLoop<'_> {
    /// Steps the worker until all work is done, and sends its numbers twice a second.
    fn run(mut self, worker: &mut Worker) -> Result<(), Fatal> {
        let tick = match self.context.job.time {
            Time::Live { tick, .. } => Duration::from_millis(tick),
            Time::Replay { .. } => Duration::ZERO,
        };
        let pace = Pace::new(tick);
        let mut reported = Instant::now();
        while worker.has_dataflows() {
            let before = Instant::now();
            worker.step_or_park(Some(LONGEST_PARK));
            pace.wait(worker);
            if self.begun.is_none() && self.gauges.matching.get().records > 0 {
                self.begun = Some(before);
            }
            // Without this heartbeat the supervisor restarts the cluster.
            if self.is_alive() {
                self.context.around.ticks.fetch_add(1, Ordering::Relaxed);
            }
            if reported.elapsed() >= meter::EVERY {
                reported = Instant::now();
                self.report(worker.index(), false)?;
            }
        }
        self.report(worker.index(), true)
    }

    fn is_alive(&mut self) -> bool {
        let full = {
            let sink = self.gauges.sink.borrow();
            sink.full || sink.refused_wait
        };
        self.stall.as_mut().is_none_or(|stall| stall.is_alive(&self.probe, full, Instant::now()))
    }

    /// Sends the worker's numbers, and logs the notes of operators.
    fn report(&self, worker: usize, last: bool) -> Result<(), Fatal> {
        let progress = Progress {
            read: *self.read.lock().unwrap_or_else(PoisonError::into_inner),
            seconds: self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64()),
            incomplete: self.probe.with_frontier(|frontier| frontier.first().copied()),
        };
        let numbers = meter::numbers(worker, last, &self.gauges, progress, self.context.awaiting.reasons())?;
        self.context.around.messenger.send(Message::Numbers(Box::new(numbers)));
        self.gauges.notes.borrow_mut().drain(..).for_each(|note| tracing::warn!("{note}"));
        self.split.log(&self.gauges.split.borrow());
        Ok(())
    }
}
