//! The thread that reads a worker's source.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use operators::{
    model::ids::{IngestTime, Positions},
    ops::{Signal, Start, read::Read},
};
use sources::{
    SourceError,
    events::{EventSource, Next, ReadProgress},
};
use timely::scheduling::SyncActivator;

use super::{Reading, first_reads::FirstReads};
use crate::{
    exit::{ExitHandle, Fatal, SOURCE_FAILED},
    run::awaiting::Awaiting,
    threads,
};

/// Capacity of the channel from the thread to its worker; the thread blocks when it is full.
const QUEUE: usize = 16;
/// Delay of the clock of a partition without more records behind the wall clock, ms: records may still be on
/// their way to the partition.
const TIMER_GRACE: i64 = 2_000;
/// Upper bound of one wait for the source, so that the thread notices when it is to stop.
const WAIT: Duration = Duration::from_millis(50);

/// Opens a worker's source, to continue from given positions; `None` if it has nothing to read. Called again
/// while what it reads from is away.
pub type Open = Box<dyn FnMut(&Positions) -> Result<Option<Box<dyn EventSource>>, SourceError> + Send>;

/// Positions of a durable checkpoint.
type Committed = Arc<Positions>;

/// Worker's end of the reading thread.
///
/// The thread opens its source when `Start` arrives, reads once the first switch is announced, and ends with
/// its source, or when the cluster stops.
pub(super) struct ReaderThread {
    /// The source, until the thread is started.
    unstarted: Option<(Open, Reader)>,
    committed: mpsc::Sender<Committed>,
    /// Sender of the start of reading; taken when it is used.
    begin: Option<mpsc::Sender<()>>,
    wake: SyncActivator,
}

impl ReaderThread {
    /// Makes a thread that is not started yet; it activates `wake` after every read.
    pub(super) fn new(open: Open, reading: &Reading, wake: SyncActivator) -> Self {
        let (committed, committed_from) = mpsc::channel();
        let (begin, begin_from) = mpsc::channel();
        let reader = Reader {
            live: reading.live,
            stopping: Arc::clone(&reading.stopping),
            progress: Arc::clone(&reading.progress),
            exit: reading.exit.clone(),
            name: reading.name.clone(),
            awaiting: reading.awaiting.clone(),
            first_reads: reading.first_reads.clone(),
            committed: committed_from,
            begin: begin_from,
        };
        ReaderThread { unstarted: Some((open, reader)), committed, begin: Some(begin), wake }
    }

    /// Processes a signal of worker 0. On `Start`, starts the thread and returns the channel of its reads.
    pub(super) fn signal(&mut self, signal: &Signal) -> Option<mpsc::Receiver<Read>> {
        match signal {
            Signal::Start(start) => return self.start(start),
            Signal::Switch { .. } => {
                // The thread may have ended: then there is nothing to read.
                let _ = self.begin.take().map(|begin| begin.send(()));
            }
            // The thread ends with its source.
            Signal::Committed(positions) => drop(self.committed.send(Arc::clone(positions))),
            Signal::Epoch(_)
            | Signal::Prepare(_)
            | Signal::Checkpoint { .. }
            | Signal::Correct { .. }
            | Signal::Compacted(_)
            | Signal::Hold(_) => {}
        }
        None
    }

    fn start(&mut self, start: &Arc<Start>) -> Option<mpsc::Receiver<Read>> {
        let (open, reader) = self.unstarted.take()?;
        let (start, wake) = (Arc::clone(start), self.wake.clone());
        let (to, from) = mpsc::sync_channel(QUEUE);
        threads::spawn("events:read", move || {
            reader.run(open, &start, &to, &wake);
            drop(to);
            // The worker may be gone; then nobody waits.
            let _ = wake.activate();
        });
        Some(from)
    }
}

/// State of the reading thread.
struct Reader {
    live: bool,
    stopping: Arc<AtomicBool>,
    progress: Arc<Mutex<ReadProgress>>,
    exit: ExitHandle,
    /// Name of the source, where it is waited for.
    name: String,
    awaiting: Awaiting,
    /// File of the notes of first reads.
    first_reads: Option<PathBuf>,
    committed: mpsc::Receiver<Committed>,
    /// Receives one message, when reading may begin.
    begin: mpsc::Receiver<()>,
}

impl Reader {
    /// Opens the source once it is there, blocks until reading may begin, and reads it to its end. An error ends
    /// the process: the supervisor restarts the cluster.
    fn run(&self, mut open: Open, start: &Start, to: &mpsc::SyncSender<Read>, wake: &SyncActivator) {
        let open = || open(&start.positions);
        let read = self.awaiting.wait_aside(&self.name, SourceError::is_away, open).and_then(|source| {
            let opened = source.as_ref().map(|s| s.positions()).unwrap_or_default();
            let sent = to.send(Read::Opened(opened)).is_ok();
            match source {
                Some(source) if sent && self.begin.recv().is_ok() => {
                    let first_reads =
                        self.first_reads.as_deref().map(|path| FirstReads::open(path, &start.positions));
                    self.read(source, first_reads, to, wake)
                }
                _ => Ok(()),
            }
        });
        if let Err(error) = read
            && !(error.is_away() && self.stopping.load(Ordering::SeqCst))
        {
            self.exit.end(Fatal::new(SOURCE_FAILED, "a source of events failed", error));
        }
    }

    fn read(
        &self,
        mut source: Box<dyn EventSource>,
        mut first_reads: Option<FirstReads>,
        to: &mpsc::SyncSender<Read>,
        wake: &SyncActivator,
    ) -> Result<(), SourceError> {
        loop {
            while let Ok(positions) = self.committed.try_recv() {
                source.commit(&positions);
                if let Some(first_reads) = &mut first_reads {
                    first_reads.committed(&positions);
                }
            }
            match source.trouble() {
                Some(reason) => self.awaiting.note(&self.name, reason),
                None => self.awaiting.arrived(&self.name),
            }
            let reads = match source.next(WAIT)? {
                Next::Batch(batch) => match &mut first_reads {
                    Some(first_reads) => first_reads.batches(batch).into_iter().map(Read::Batch).collect(),
                    None => vec![Read::Batch(batch)],
                },
                Next::Opened(new) => vec![Read::Opened(new)],
                Next::CaughtUp { partitions, at } if self.live => {
                    vec![Read::Idle { partitions, clock: IngestTime(at - TIMER_GRACE) }]
                }
                Next::CaughtUp { .. } | Next::Idle => continue,
                Next::End => source.partitions().into_iter().map(|p| Read::End { partition: p }).collect(),
            };
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = source.progress();
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
