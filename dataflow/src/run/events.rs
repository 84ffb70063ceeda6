//! `events`: from sources to the dataflow.
//!
//! A thread per partition reads; a bounded channel hands batches on; the operator stamps them with the last epoch
//! announced. It reads ahead of what is evaluated by a bounded number of bytes: what it sent in epochs that the
//! dataflow has not completed. It begins when the first rule book is in force.

use std::{
    collections::VecDeque,
    mem,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, TryRecvError},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::ops::{Signal, match_events::Read};
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

use super::report::Report;

/// Batches between a reading thread and its worker.
const QUEUE: usize = 16;
/// Least record bytes handed on in one go before the worker lets others work.
const SLICE: usize = 1 << 20;
/// A partition that has nothing more counts as read up to this long ago (ms).
const TIMER_GRACE: i64 = 2_000;

/// A partition and what reads it.
pub struct Partition {
    /// Its number.
    pub number: u32,
    /// Its source.
    pub source: Box<dyn EventSource>,
}

/// How a worker reads.
pub struct Reading {
    /// Least time between two wake-ups; zero: at once.
    pub tick: Duration,
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
}

/// The streams that come out of `events`.
pub struct EventStreams<'s> {
    /// What was read.
    pub reads: StreamVec<'s, u64, Read>,
    /// That all partitions of this worker have ended.
    pub reports: StreamVec<'s, u64, Report>,
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Reads one partition until its end. An error ends the process: the supervisor restarts the cluster.
fn read(mut partition: Partition, reading: &ReadThread, to: &mpsc::SyncSender<Read>, wake: &SyncActivator) {
    let mut woken = Instant::now();
    loop {
        let asked = wall_ms();
        let read = match partition.source.next(Duration::from_millis(50)) {
            Ok(Next::Batch(batch)) => Read::Batch(batch),
            Ok(Next::Idle) if !reading.live => continue,
            Ok(Next::Idle) => Read::Idle { partition: partition.number, clock: asked - TIMER_GRACE },
            Ok(Next::End) => Read::End { partition: partition.number },
            Err(error) => return reading.fail(&error),
        };
        if let Some((done, of)) = partition.source.progress() {
            reading.progress.0.store(done, Ordering::Relaxed);
            reading.progress.1.store(of.unwrap_or(0), Ordering::Relaxed);
        }
        let ended = matches!(read, Read::End { .. });
        if to.send(read).is_err() {
            return;
        }
        let rest = reading.tick.saturating_sub(woken.elapsed());
        if !rest.is_zero() && !ended {
            // Pacing: a worker woken for every batch would do little else.
            thread::park_timeout(rest);
        }
        woken = Instant::now();
        if wake.activate().is_err() || ended || reading.stopping.load(Ordering::SeqCst) {
            return;
        }
    }
}

struct ReadThread {
    tick: Duration,
    live: bool,
    stopping: Arc<AtomicBool>,
    progress: Arc<(AtomicU64, AtomicU64)>,
}

impl ReadThread {
    fn fail(&self, error: &SourceError) {
        tracing::error!(%error, "a source of events failed");
        std::process::exit(super::exit::SOURCE_FAILED);
    }
}

/// Reads a worker's partitions.
pub fn events<'s>(
    signals: StreamVec<'s, u64, Signal>,
    partitions: Vec<Partition>,
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
    let wake = || scope.worker().sync_activator_for(address.to_vec());
    let mut receivers: Vec<mpsc::Receiver<Read>> = Vec::new();
    for partition in partitions {
        let (to, from) = mpsc::sync_channel(QUEUE);
        let thread = ReadThread {
            tick: reading.tick,
            live: reading.live,
            stopping: Arc::clone(&reading.stopping),
            progress: Arc::clone(&reading.progress),
        };
        let wake = wake();
        thread::spawn(move || read(partition, &thread, &to, &wake));
        receivers.push(from);
    }
    builder.build(move |initial| {
        drop(initial);
        let mut held: Option<[Capability<u64>; 2]> = None;
        let mut begin: Option<u64> = None;
        let mut open = receivers.len();
        let mut told_end = false;
        let mut under_way: VecDeque<(u64, usize)> = VecDeque::new();
        move |frontiers| {
            signals.for_each(|time, words| {
                for word in words.drain(..) {
                    match word {
                        Signal::Epoch(_) => held = Some([time.retain(0), time.retain(1)]),
                        Signal::Switch { at, .. } => begin = begin.or(Some(at)),
                        Signal::Prepare(_) => {}
                    }
                }
            });
            if frontiers[0].is_empty() || reading.stopping.load(Ordering::SeqCst) {
                held = None;
            }
            let Some([reads_at, reports_at]) = held.as_ref() else { return };
            let epoch = *reads_at.time();
            if begin.is_none_or(|b| epoch < b) {
                return;
            }
            while under_way.front().is_some_and(|(e, _)| !probe.less_equal(e)) {
                under_way.pop_front();
            }
            let outstanding: usize = under_way.iter().map(|(_, bytes)| bytes).sum();
            if outstanding >= reading.read_ahead {
                activator.activate_after(Duration::from_millis(2));
                return;
            }
            let mut bytes = 0;
            let mut batch = Vec::new();
            let mut more = false;
            receivers.retain(|from| {
                loop {
                    if bytes >= SLICE {
                        more = true;
                        return true;
                    }
                    match from.try_recv() {
                        Ok(read) => {
                            let ended = matches!(read, Read::End { .. });
                            if let Read::Batch(raw) = &read {
                                bytes += raw.bytes.len();
                            }
                            batch.push(read);
                            if ended {
                                open -= 1;
                                return false;
                            }
                        }
                        Err(TryRecvError::Empty) => return true,
                        Err(TryRecvError::Disconnected) => return false,
                    }
                }
            });
            if !batch.is_empty() {
                let mut output = reads_output.activate();
                output.session(reads_at).give_container(&mut mem::take(&mut batch));
                match under_way.back_mut() {
                    Some((e, sum)) if *e == epoch => *sum += bytes,
                    _ => under_way.push_back((epoch, bytes)),
                }
            }
            if open == 0 && reading.ends && !told_end {
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
