//! The keeper's thread: commits, lease, removals and corrections, one after the other.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use operators::model::{
    ids::{CheckpointNumber, OwnerGeneration},
    zone,
};
use sinks::checkpoint::CheckpointStore;

use super::{Done, KeeperGauge, Snapshot};
use crate::{
    checkpoint::{
        LEASE, RETRY,
        compactor::{Compacted, CompactorLink},
        corrections::{Corrections, ReadCorrections},
        fail_point::reach,
        ledger::Ledger,
        manifest::Manifest,
        mark::Marker,
        pieces,
        publish::{Batch, Publisher},
        removals::{Removals, Superfluous},
        retry::retry_until_done,
        stored_rules::StoredRules,
    },
    exit::{Fatal, STATE_LOST},
    protocol::report::BlobRef,
};

/// Interval at which the lease is renewed.
const RENEW: Duration = Duration::from_secs(2);
/// Interval of polls for corrections and reports.
const LOOK: Duration = Duration::from_millis(200);
/// Upper bound of checkpoints that are not compacted, or not published; above it the next commit waits.
pub(super) const BEHIND: usize = 60;

/// The thread's ends of the channels to worker 0.
pub(super) struct Worker0 {
    pub(super) snapshots: mpsc::Receiver<Snapshot>,
    pub(super) done: mpsc::Sender<Done>,
    pub(super) corrections: mpsc::SyncSender<ReadCorrections>,
}

/// State of the keeper's thread.
pub(super) struct Committing {
    pub(super) store: Box<dyn CheckpointStore>,
    pub(super) generation: OwnerGeneration,
    pub(super) ledger: Ledger,
    pub(super) rules: StoredRules,
    pub(super) compactor: CompactorLink,
    pub(super) publisher: Option<Publisher>,
    pub(super) corrections: Corrections,
    pub(super) marker: Marker,
    pub(super) removals: Removals,
    pub(super) gauge: Arc<Mutex<KeeperGauge>>,
}

impl Committing {
    /// Works until worker 0 drops its end; `garbage` is the blobs that no manifest lists.
    pub(super) fn run(&mut self, garbage: Vec<String>, worker_0: &Worker0) -> Result<(), Fatal> {
        let mut renewed = Instant::now();
        let superfluous = Superfluous { blobs: garbage, corrections: None };
        self.removals.add(self.ledger.last().unwrap_or_default(), superfluous, Instant::now());
        self.remove_due();
        loop {
            match worker_0.snapshots.recv_timeout(LOOK) {
                Ok(snapshot) => {
                    let number = snapshot.number;
                    self.commit(snapshot)?;
                    if worker_0.done.send(Done { number }).is_err() {
                        return Ok(());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    // The work has ended: another engine need not wait for the lease.
                    let _ = self.store.release(self.generation);
                    self.marker.close();
                    return Ok(());
                }
            }
            self.take_reports();
            if renewed.elapsed() >= RENEW {
                renewed = Instant::now();
                self.renew()?;
            }
            self.corrections.read(&mut *self.store, &worker_0.corrections)?;
        }
    }

    /// Resumes compacting and publishing the checkpoints that the last run left.
    pub(super) fn resume(&mut self, manifest: Manifest) {
        for number in self.ledger.resume(manifest) {
            self.publish(number);
            self.compact(number);
        }
    }

    fn publish(&self, number: CheckpointNumber) {
        if let Some(publisher) = &self.publisher {
            publisher.publish(Batch { number, blobs: self.ledger.triggers_of(number) });
        }
    }

    fn compact(&mut self, number: CheckpointNumber) {
        // The thread lives as long as the process.
        let _ = self.compactor.compactions.send(self.ledger.hand_on(number));
    }

    fn commit(&mut self, snapshot: Snapshot) -> Result<(), Fatal> {
        self.wait_until_few_are_behind()?;
        let Snapshot { number, positions, clocks, rules, dropped, corrections, blobs, asked } = snapshot;
        let (rules, unused) = self.rules.write(&mut *self.store, rules, number)?;
        let bytes = blobs.iter().map(|blob| blob.bytes).sum();
        self.check_written(number, blobs.iter().chain([&rules]))?;
        let unlisted = self.ledger.list(number, blobs, dropped);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let manifest = Manifest {
            at,
            lineage: Some(self.marker.lineage()),
            zones: Some(zone::version().to_owned()),
            positions,
            clocks,
            corrections: corrections.clone(),
            rules,
            blobs: self.ledger.listed(),
            dropped: self.ledger.dropped(),
        };
        let manifest = manifest.to_json();
        let (generation, store) = (self.generation, &mut self.store);
        reach("commit:before");
        let vouched = retry_until_done("a commit", || store.commit(generation, number, &manifest))?;
        let took = asked.elapsed();
        reach("commit:after");
        self.ledger.committed(number, vouched);
        self.marker.committed(number, at);
        self.publish(number);
        reach("hand-on:between");
        self.compact(number);
        reach("hand-on:after");
        let blobs = [unlisted, unused].concat();
        self.removals.add(number, Superfluous { blobs, corrections }, Instant::now());
        self.remove_due();
        let mut gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, at) = (gauge.made + 1, Some(Instant::now()));
        *gauge = KeeperGauge { committed: number, made, at, took, bytes, ..*gauge };
        Ok(())
    }

    /// Blocks while too many checkpoints are not compacted or not published; renews the lease meanwhile.
    fn wait_until_few_are_behind(&mut self) -> Result<(), Fatal> {
        self.take_reports();
        while self.ledger.behind() > BEHIND {
            // A report of the compactor ends the wait; progress of the publisher is seen at the next poll.
            if let Ok(report) = self.compactor.compacted.recv_timeout(RETRY) {
                self.take_report(report);
            }
            self.take_reports();
            self.renew()?;
        }
        Ok(())
    }

    /// Checks that the store has all blobs written for this checkpoint. A server that crashed meanwhile may
    /// have lost some and still have the last commit: then the cluster restarts from that.
    fn check_written<'b>(
        &mut self,
        number: CheckpointNumber,
        blobs: impl Iterator<Item = &'b BlobRef>,
    ) -> Result<(), Fatal> {
        let names: Vec<String> = blobs.flat_map(pieces::of).collect();
        reach("check:before");
        let store = &mut self.store;
        let missing = retry_until_done("a commit", || store.missing_blobs(&names))?;
        let Some(first) = missing.first() else { return Ok(()) };
        let cause =
            format!("{} blobs of checkpoint {number} are missing, the first is {first}", missing.len());
        Err(Fatal::new(STATE_LOST, "the checkpoint store has lost data", cause))
    }

    /// Processes all reports of the compactor, and the publisher's progress.
    fn take_reports(&mut self) {
        while let Ok(report) = self.compactor.compacted.try_recv() {
            self.take_report(report);
        }
        let published = self.publisher.as_ref().map(Publisher::published);
        self.ledger.published(published);
        let (readable_up_to, uncompacted) = (self.ledger.readable_up_to(), self.ledger.uncompacted());
        let mut gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        *gauge = KeeperGauge { readable_up_to, uncompacted, published, ..*gauge };
    }

    fn take_report(&mut self, report: Compacted) {
        for compaction in self.ledger.compacted(report, Instant::now()) {
            // The thread lives as long as the process.
            let _ = self.compactor.compactions.send(compaction);
        }
    }

    /// Removes what has waited long enough.
    fn remove_due(&mut self) {
        let last = self.ledger.last().unwrap_or_default();
        let due = self.removals.take_due(last, Instant::now(), |name| self.rules.uses(name));
        self.remove(&due.blobs);
        self.corrections.trim(&mut *self.store, due.corrections);
    }

    /// Removes blobs; those that stay because the store is away are collected as garbage at the next start.
    fn remove(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        reach("remove:before");
        if let Err(error) = self.store.remove_blobs(names) {
            tracing::warn!(%error, "old blobs stay until the next start");
        }
        reach("remove:after");
    }

    fn renew(&mut self) -> Result<(), Fatal> {
        match self.store.renew(self.generation, LEASE) {
            Ok(stored) if stored < self.ledger.last() => {
                let shown = |number: Option<CheckpointNumber>| {
                    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
                };
                let (stored, ours) = (shown(stored), shown(self.ledger.last()));
                let cause = format!("its last commit is {stored}, ours is {ours}");
                Err(Fatal::new(STATE_LOST, "the checkpoint store has gone back to an earlier state", cause))
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "the lease can't be renewed now");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
