//! `events`: from sources to the dataflow.
//!
//! A thread per worker opens its source and reads; a bounded channel hands on what it says; the operator stamps it with the last
//! epoch announced. It reads ahead of what is evaluated by a bounded number of bytes: what it sent in epochs that the
//! dataflow has not completed. It begins when the first rule book is in force: what is read before would be older than its rules.
//!
//! **Invariant**: a mark lies behind everything stamped with an epoch below its barrier, and before everything else; its
//! positions are those of what was handed on before it, and of all partitions that are open. So it waits for the source to be opened.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    mem,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, TryRecvError},
    },
    time::Duration,
};

use operators::ops::{
    Signal, Start,
    read::{Read, SourceBarrier},
};
use sources::{
    SourceError,
    events::{EventSource, Next},
};
use timely::{
    container::CapacityContainerBuilder,
    dataflow::{
        ProbeHandle, StreamVec,
        channels::pact::Pipeline,
        operators::{
            Capability,
            generic::{OutputBuilder, builder_rc::OperatorBuilder},
        },
    },
    scheduling::SyncActivator,
};

use crate::{protocol::report::Report, threads};

/// Batches between a reading thread and its worker.
const QUEUE: usize = 16;
/// Least record bytes handed on in one go before the worker lets others work.
const SLICE: usize = 1 << 20;
/// A partition that has nothing more counts as read up to this long ago (ms).
const TIMER_GRACE: i64 = 2_000;

/// Opens a worker's source, to go on from given positions; `None` if it has nothing to read.
pub type Open =
    Box<dyn FnOnce(&BTreeMap<u32, u64>) -> Result<Option<Box<dyn EventSource>>, SourceError> + Send>;

/// How a worker reads.
pub struct Reading {
    /// Whether idle partitions' clocks follow the wall clock.
    pub live: bool,
    /// Whether this worker is done once its partitions have ended. Worker 0 without any source of events never is: the
    /// cluster waits for its rules to change.
    pub ends: bool,
    /// Bytes that may be under way.
    pub read_ahead: usize,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
    /// Bytes taken, and of how many (0: unknown), for progress bars.
    pub progress: Arc<(AtomicU64, AtomicU64)>,
    /// Where the last epoch announced is noted.
    pub epoch: Rc<Cell<u64>>,
}

/// The streams that come out of `events`.
pub struct EventStreams<'s> {
    /// What was read.
    pub reads: StreamVec<'s, u64, Read>,
    /// That all partitions of this worker have ended.
    pub reports: StreamVec<'s, u64, Report>,
}

/// What a reading thread is told.
type Settled = Arc<Vec<(u32, u64)>>;

/// What the reading thread works with.
struct Reader {
    live: bool,
    stopping: Arc<AtomicBool>,
    progress: Arc<(AtomicU64, AtomicU64)>,
    settled: mpsc::Receiver<Settled>,
    /// Says once that reading may begin.
    begin: mpsc::Receiver<()>,
}

fn fail(error: &SourceError) -> ! {
    tracing::error!(%error, "a source of events failed");
    std::process::exit(crate::exit::SOURCE_FAILED)
}

impl Reader {
    /// Opens the source and, once it may, reads it to its end. An error ends the process: the supervisor restarts the cluster.
    fn run(&self, open: Open, start: &Start, to: &mpsc::SyncSender<Read>, wake: &SyncActivator) {
        let positions = start.positions.iter().copied().collect();
        let read = open(&positions).and_then(|source| {
            let opened = source.as_ref().map(|s| s.positions()).unwrap_or_default();
            let told = to.send(Read::Opened(opened)).is_ok();
            match source {
                Some(source) if told && self.begin.recv().is_ok() => self.read(source, to, wake),
                _ => Ok(()),
            }
        });
        if let Err(error) = read {
            fail(&error);
        }
    }

    fn read(
        &self,
        mut source: Box<dyn EventSource>,
        to: &mpsc::SyncSender<Read>,
        wake: &SyncActivator,
    ) -> Result<(), SourceError> {
        loop {
            while let Ok(positions) = self.settled.try_recv() {
                source.settled(&positions);
            }
            let reads = match source.next(Duration::from_millis(50))? {
                Next::Batch(batch) => vec![Read::Batch(batch)],
                Next::Opened(new) => vec![Read::Opened(new)],
                Next::CaughtUp { partitions, at } if self.live => {
                    vec![Read::Idle { partitions, clock: at - TIMER_GRACE }]
                }
                Next::CaughtUp { .. } | Next::Idle => continue,
                Next::End => source.partitions().into_iter().map(|p| Read::End { partition: p }).collect(),
            };
            if let Some((done, of)) = source.progress() {
                self.progress.0.store(done, Ordering::Relaxed);
                self.progress.1.store(of.unwrap_or(0), Ordering::Relaxed);
            }
            let ended = matches!(reads.first(), Some(Read::End { .. }) | None);
            for read in reads {
                if to.send(read).is_err() {
                    return Ok(());
                }
            }
            if wake.activate().is_err() || ended || self.stopping.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }
}

/// A worker's source, as the operator sees it.
struct Intake {
    /// The source, until it is opened.
    thread: Option<(Open, Reader)>,
    from: Option<mpsc::Receiver<Read>>,
    settled: mpsc::Sender<Settled>,
    begin: mpsc::Sender<()>,
    /// First offset not handed on, by partition.
    positions: BTreeMap<u32, u64>,
    /// Whether the source has said where it begins.
    opened: bool,
    /// Barriers announced and not marked.
    marks: VecDeque<(u64, SourceBarrier)>,
    /// Bytes handed on, by epoch, of epochs that are not complete.
    under_way: VecDeque<(u64, usize)>,
    holding: bool,
}

impl Intake {
    /// A word of worker 0.
    fn hear(&mut self, word: &Signal, wake: &SyncActivator) {
        match word {
            Signal::Start(start) => {
                let (start, wake) = (Arc::clone(start), wake.clone());
                let (to, from) = mpsc::sync_channel(QUEUE);
                self.from = Some(from);
                if let Some((open, reader)) = self.thread.take() {
                    threads::spawn("events:read", move || {
                        reader.run(open, &start, &to, &wake);
                        drop(to);
                        // The worker may be gone; then nobody waits.
                        let _ = wake.activate();
                    });
                }
            }
            Signal::Switch { generation, at } => {
                self.marks.push_back((*at, SourceBarrier::Switch(*generation)))
            }
            Signal::Checkpoint { n, at } => self.marks.push_back((*at, SourceBarrier::Checkpoint(*n))),
            // The thread ends with its source.
            Signal::Committed(positions) => drop(self.settled.send(Arc::clone(positions))),
            Signal::Hold(holding) => self.holding = *holding,
            Signal::Epoch(_) | Signal::Prepare(_) | Signal::Correct { .. } | Signal::Folded(_) => {}
        }
    }

    /// The marks of barriers that lie at or before `epoch`.
    fn due_marks(&mut self, epoch: u64) -> Vec<Read> {
        let mut marks = Vec::new();
        while let Some((_, mark)) = self.marks.front().copied().filter(|(at, _)| *at <= epoch) {
            self.marks.pop_front();
            let positions = self.positions.iter().map(|(p, o)| (*p, *o)).collect();
            marks.push(Read::Barrier { barrier: mark, positions });
        }
        marks
    }

    /// What the source says next, if it has said anything.
    fn next(&mut self) -> Option<Read> {
        let read = match self.from.as_ref()?.try_recv() {
            Ok(read) => read,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                self.from = None;
                return None;
            }
        };
        match &read {
            Read::Batch(raw) => self.positions.extend(raw.next_offset().map(|next| (raw.partition, next))),
            Read::Opened(partitions) => {
                self.opened = true;
                self.positions.extend(partitions.iter().copied());
            }
            _ => {}
        }
        Some(read)
    }

    /// What has been read, up to a slice; how many bytes, and whether there may be more.
    fn take(&mut self, out: &mut Vec<Read>) -> (usize, bool) {
        let mut bytes = 0;
        while bytes < SLICE {
            let Some(read) = self.next() else { return (bytes, false) };
            if let Read::Batch(raw) = &read {
                bytes += raw.bytes.len();
            }
            out.push(read);
        }
        (bytes, true)
    }

    /// Whether nothing will come any more.
    fn ended(&self) -> bool {
        self.thread.is_none() && self.from.is_none()
    }
}

/// Reads a worker's partitions.
pub fn events<'s>(
    signals: StreamVec<'s, u64, Signal>,
    open: Open,
    reading: Reading,
    probe: ProbeHandle<u64>,
) -> EventStreams<'s> {
    let scope = signals.scope();
    let mut builder = OperatorBuilder::new("events".to_owned(), scope);
    let mut signals = builder.new_input(signals, Pipeline);
    let (reads_output, reads) = builder.new_output::<Vec<Read>>();
    let (reports_output, reports) = builder.new_output::<Vec<Report>>();
    let mut reads_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Read>>>::from(reads_output);
    let mut reports_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Report>>>::from(reports_output);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(Rc::clone(&address));
    let wake = scope.worker().sync_activator_for(address.to_vec());
    let (settled, settled_from) = mpsc::channel();
    let (begin, begin_from) = mpsc::channel();
    let reader = Reader {
        live: reading.live,
        stopping: Arc::clone(&reading.stopping),
        progress: Arc::clone(&reading.progress),
        settled: settled_from,
        begin: begin_from,
    };
    let mut intake = Intake {
        thread: Some((open, reader)),
        from: None,
        settled,
        begin,
        positions: BTreeMap::new(),
        opened: false,
        marks: VecDeque::new(),
        under_way: VecDeque::new(),
        holding: false,
    };
    builder.build(move |initial| {
        drop(initial);
        let mut held: Option<[Capability<u64>; 2]> = None;
        let mut begin: Option<u64> = None;
        let mut told_end = false;
        move |frontiers| {
            signals.for_each(|time, words| {
                for word in words.drain(..) {
                    intake.hear(&word, &wake);
                    match word {
                        Signal::Epoch(epoch) => {
                            reading.epoch.set(epoch);
                            held = Some([time.retain(0), time.retain(1)]);
                        }
                        Signal::Switch { at, .. } if begin.is_none() => {
                            begin = Some(at);
                            // Without a thread there is nothing to read.
                            let _ = intake.begin.send(());
                        }
                        _ => {}
                    }
                }
            });
            if frontiers[0].is_empty() || reading.stopping.load(Ordering::SeqCst) {
                held = None;
            }
            let Some([reads_at, reports_at]) = held.as_ref() else { return };
            let epoch = *reads_at.time();
            let mut out = Vec::new();
            if !intake.opened {
                // The first word of a source says where it begins.
                out.extend(intake.next());
            }
            if intake.opened {
                out.extend(intake.due_marks(epoch));
            }
            while intake.under_way.front().is_some_and(|(e, _)| !probe.less_equal(e)) {
                intake.under_way.pop_front();
            }
            let outstanding: usize = intake.under_way.iter().map(|(_, bytes)| bytes).sum();
            let may_read = intake.opened && begin.is_some_and(|b| epoch >= b) && !intake.holding;
            let (bytes, more) = match (may_read, outstanding >= reading.read_ahead) {
                (true, false) => intake.take(&mut out),
                (true, true) => {
                    activator.activate_after(Duration::from_millis(2));
                    (0, false)
                }
                (false, _) => (0, false),
            };
            if !out.is_empty() {
                reads_output.activate().session(reads_at).give_container(&mut mem::take(&mut out));
                match intake.under_way.back_mut() {
                    Some((e, sum)) if *e == epoch => *sum += bytes,
                    _ => intake.under_way.push_back((epoch, bytes)),
                }
            }
            if may_read && intake.ended() && reading.ends && !told_end {
                told_end = true;
                reports_output.activate().session(reports_at).give(Report::Ended);
            }
            if more {
                activator.activate();
            }
        }
    });
    EventStreams { reads, reports }
}
