//! The keeper: a thread of process 0 that owns the checkpoints of the cluster, and worker 0's end of it.
//!
//! The ownership is taken before the dataflow is built. Then the thread commits the snapshots that worker 0
//! hands over, renews the lease, has blobs compacted, published and removed, and reads corrections by people.
//!
//! **Invariants**
//! - Checkpoint numbers ascend, also above those that a store that has gone back had published already; see
//!   [`publish`](super::publish).
//! - The [ledger](super::ledger) decides what is listed, compacted and removed.

mod committing;

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use operators::{
    model::ids::{CheckpointNumber, Clocks, Positions},
    ops::{Correction, Start},
    rule::remembered::Remembered,
};
use sinks::checkpoint::CheckpointError;
use sources::SourceError;

use self::committing::{Committing, Worker0};
use super::{
    compactor::Compactor,
    corrections::{Corrections, ReadCorrections},
    ledger::Ledger,
    mark::{Marker, Marks, admit},
    publish::Publisher,
    removals::Removals,
    stored_rules::StoredRules,
    takeover::{Owned, Resumed},
};
use crate::{
    exit::{ExitHandle, Fatal, STATE_LOST, STATE_UNUSABLE},
    protocol::{figures::CheckpointFigures, report::BlobRef},
    run::{awaiting::Awaiting, job::Job},
    threads,
};

/// A checkpoint to be committed.
#[derive(Debug)]
pub struct Snapshot {
    /// Number of the checkpoint.
    pub number: CheckpointNumber,
    /// First offset that the checkpoint does not include, by partition.
    pub positions: Positions,
    /// The ingest clocks, by partition.
    pub clocks: Clocks,
    /// The rules in force.
    pub rules: Arc<Vec<Remembered>>,
    /// Names of state that no rule has any more.
    pub dropped: Vec<String>,
    /// Position of the last correction that the checkpoint includes.
    pub corrections: Option<String>,
    /// Blobs that the workers wrote.
    pub blobs: Vec<BlobRef>,
    /// Instant at which its barrier was announced.
    pub asked: Instant,
}

/// A completed commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Number of the checkpoint.
    pub number: CheckpointNumber,
}

/// Gauges of the keeper.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeeperGauge {
    /// Number of the last commit; that of the resumed checkpoint until another one is made.
    pub committed: CheckpointNumber,
    /// Commits made since the start.
    pub made: u64,
    /// Instant at which the keeper started.
    pub opened: Option<Instant>,
    /// Instant of the last commit.
    pub at: Option<Instant>,
    /// Time from the barrier of the last commit to its end.
    pub took: Duration,
    /// Bytes of its blobs.
    pub bytes: u64,
    /// Number of checkpoints that are not compacted yet.
    pub uncompacted: usize,
    /// Checkpoints up to this number can be read back from the hashes.
    pub readable_up_to: CheckpointNumber,
    /// The last checkpoint published; `None` if triggers do not wait for checkpoints.
    pub published: Option<CheckpointNumber>,
}

impl From<KeeperGauge> for CheckpointFigures {
    fn from(gauge: KeeperGauge) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            number: gauge.committed,
            made: gauge.made,
            age_ms: gauge.at.or(gauge.opened).map_or(0, |at| ms(at.elapsed())),
            took_ms: ms(gauge.took),
            bytes: gauge.bytes,
            unfolded: gauge.uncompacted as u64,
            published: gauge.published,
        }
    }
}

/// Worker 0's end of the keeper. When it is dropped, the thread ends and gives up the ownership.
pub struct Keeper {
    snapshots: mpsc::SyncSender<Snapshot>,
    done: mpsc::Receiver<Done>,
    corrections: mpsc::Receiver<ReadCorrections>,
    corrected: Option<String>,
    first: CheckpointNumber,
    gauge: Arc<Mutex<KeeperGauge>>,
}

impl Keeper {
    /// Number of the first checkpoint to commit.
    pub fn first(&self) -> CheckpointNumber {
        self.first
    }

    /// Hands over a checkpoint to be committed. At most one may be in progress; blocks while there is
    /// another.
    pub fn commit(&self, snapshot: Snapshot) {
        // The thread lives as long as the process.
        let _ = self.snapshots.send(snapshot);
    }

    /// The commit that was made since the last call, if any.
    pub fn done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Corrections that have arrived since the last call.
    pub fn corrections(&mut self) -> Vec<Correction> {
        let mut all = Vec::new();
        while let Ok(ReadCorrections { position, corrections }) = self.corrections.try_recv() {
            self.corrected = Some(position);
            all.extend(corrections);
        }
        all
    }

    /// Checkpoints up to this number can be read back from the hashes.
    pub fn readable_up_to(&self) -> CheckpointNumber {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner).readable_up_to
    }

    /// Whether all triggers that wait for checkpoints up to `number` have been published.
    pub fn has_published(&self, number: CheckpointNumber) -> bool {
        let gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        gauge.published.is_none_or(|published| published >= number)
    }

    /// Position of the last correction returned.
    pub fn corrected(&self) -> Option<String> {
        self.corrected.clone()
    }

    /// The gauges, for other threads to read.
    pub fn gauge(&self) -> Arc<Mutex<KeeperGauge>> {
        Arc::clone(&self.gauge)
    }
}

/// State with which a cluster starts.
pub struct Opened {
    /// Commits checkpoints.
    pub keeper: Keeper,
    /// Checkpoint from which to continue: positions, clocks, state.
    pub start: Start,
    /// Rules in force at that checkpoint, and rules remembered.
    pub remembered: Vec<Remembered>,
}

/// Takes the ownership of the checkpoints, reads the last commit and starts the keeper; `None` if no state is
/// kept. Blocks once while another engine's lease lasts, and the worker's thread while the store is away. Only an
/// owner opens its `publisher`: that fences any earlier publisher.
///
/// # Errors
/// If the store can't be used or was emptied, another engine continues to own it, its content can't be read, or
/// the publisher can't be opened.
pub fn open(
    job: &Job,
    publisher: impl FnOnce() -> Result<Option<Publisher>, Fatal>,
    awaiting: &Awaiting,
    exit: &ExitHandle,
) -> Result<Option<Opened>, Fatal> {
    let Some(mut store) = job.state.open(awaiting)? else { return Ok(None) };
    let name = job.state.to_string();
    let stored = awaiting.wait(&name, CheckpointError::is_transient, || store.committed())?.is_some();
    drop(store);
    let unmarked = |error: SourceError| Fatal::new(STATE_LOST, "the mark of the state can't be read", error);
    let mut marks = Marks::open(&job.mark, &job.state, &job.rules).map_err(unmarked)?;
    let found = marks.read(stored, awaiting).map_err(unmarked)?;
    let take = || Owned::take(&|| job.state.open_now(), &job.owner);
    let owned = awaiting.wait(&name, CheckpointError::is_transient, take);
    let unavailable = |error: CheckpointError| Fatal { what: "the state can't be opened", ..error.into() };
    let Some(mut owned) = owned.map_err(unavailable)? else { return Ok(None) };
    if stored && owned.stored().is_none() {
        return Err(Fatal::new(STATE_LOST, "the state can't be opened", format!("{name} was just emptied")));
    }
    let admitted = admit(owned.stored(), &found, job.mark.fresh.as_deref()).map_err(|gone| {
        // The next engine need not wait for the lease.
        let _ = owned.store.release(owned.generation);
        Fatal::new(STATE_UNUSABLE, "the state is gone", format!("{name}: {gone}"))
    })?;
    if let Some(notice) = &admitted.notice {
        tracing::warn!("{name}: {notice}");
    }
    if owned.stored().is_none() {
        awaiting.wait(&name, CheckpointError::is_transient, || owned.drop_hashes()).map_err(unavailable)?;
    }
    Ok(Some(keep(owned, Marker::new(marks, admitted), publisher()?, exit)))
}

/// Starts the keeper of a store that this engine owns.
fn keep(owned: Owned, marker: Marker, publisher: Option<Publisher>, exit: &ExitHandle) -> Opened {
    let Owned { store, to_compact, generation, resumed, garbage } = owned;
    let Resumed { start, remembered, manifest, crowds } = resumed;
    let gauge = Arc::new(Mutex::new(KeeperGauge {
        committed: start.checkpoint.unwrap_or_default(),
        opened: Some(Instant::now()),
        published: publisher.as_ref().map(Publisher::published),
        ..KeeperGauge::default()
    }));
    let (snapshots, snapshots_from) = mpsc::sync_channel(1);
    let (done_to, done) = mpsc::channel();
    let (corrections_to, corrections) = mpsc::sync_channel(4);
    let corrected = manifest.as_ref().and_then(|m| m.corrections.clone());
    let last = start.checkpoint;
    let published = publisher.as_ref().map(Publisher::highest);
    let first = last.max(published).unwrap_or_default().max(marker.above()).next();
    let one_log = store.is_one_log();
    let mut committing = Committing {
        ledger: Ledger::new(one_log, last),
        removals: Removals::new(one_log),
        store,
        generation,
        rules: StoredRules::new(generation, crowds),
        compactor: Compactor::start(to_compact, generation, exit.clone()),
        publisher,
        corrections: Corrections::new(corrected.clone()),
        marker,
        gauge: Arc::clone(&gauge),
    };
    if let Some(manifest) = manifest {
        committing.resume(manifest);
    }
    let worker_0 = Worker0 { snapshots: snapshots_from, done: done_to, corrections: corrections_to };
    let exit = exit.clone();
    threads::spawn("state:keep", move || {
        if let Err(fatal) = committing.run(garbage, &worker_0) {
            exit.end(fatal);
        }
    });
    Opened { keeper: Keeper { snapshots, done, corrections, corrected, first, gauge }, start, remembered }
}

#[cfg(test)]
mod tests;
