//! Decides which reads `match` may match when; independent of timely.
//!
//! **Invariants**
//! - A read is matched by the book of its own epoch. Reads of a switch's epoch and later wait, in their
//!   order, until the book is made and the crowds of that epoch are arranged; both happen before the switch
//!   is announced, so the wait is short.
//! - Ingest clocks are returned once per epoch, if they have changed: every record routed later has a `now`
//!   at or above them.
//! - Rows of crowds are fetched at every epoch, whatever is built by then. The crowds that they lack are
//!   looked up otherwise, so they change no result.
//! - Reads wait for the first rows of the process, if bitmaps would be asked: rows of thousands of crowds are
//!   built in less than a second, in which few events could be matched by bitmaps. The wait is bounded by the
//!   [`Shelf`]. A later change of crowds holds nothing back: the former rows still answer for all crowds that
//!   did not change.
//! - An activation matches a slice of work, whatever waits: else thousands of rules could keep the worker
//!   from all other work for as long as a read of many records takes, and it would count as hung.
//! - Until this worker's sources are open, and so its partitions are known, a stand-in partition holds back
//!   all timers.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    matcher::{MatchCounts, Matcher},
    outgoing::Outgoing,
    read::{BarrierReached, Read},
    signal::{Shelf, Signal},
};
use crate::{
    model::{
        epoch::Epoch,
        ids::{BookGeneration, Clocks, IngestTime, PartitionId},
        raw::Refused,
    },
    rule::crowd::Crowd,
};

/// Number of the stand-in partition of worker 0; that of worker `n` is `n` less.
const UNOPENED: u32 = u32::MAX;

/// A matcher, the reads waiting for it, and the switches announced; `C` are the capabilities of an epoch.
pub(super) struct Matching<C> {
    matcher: Matcher,
    shelf: Arc<dyn Shelf>,
    waiting: VecDeque<Waiting<C>>,
    /// Switches announced and not yet in force, in their order.
    switches: VecDeque<Switch>,
    /// Epoch of the reads that are being matched.
    matching: Epoch,
    /// Last epoch announced.
    announced: Epoch,
    /// Clocks as last returned.
    clocks: Clocks,
    /// Clocks of the checkpoint that is resumed.
    resumed: Clocks,
    /// This worker's stand-in partition.
    unopened: PartitionId,
}

/// Work of one activation: some 10 ms, or 100 ms while thousands of crowds are looked up in their bitmaps.
const SLICE: u64 = 500_000;

/// A slice of the matcher's work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    end: u64,
}

/// Reads of one epoch.
struct Waiting<C> {
    epoch: Epoch,
    capabilities: C,
    reads: Vec<Read>,
}

/// A switch to another book.
#[derive(Clone, Copy)]
struct Switch {
    at: Epoch,
    generation: BookGeneration,
}

/// Results of matching reads; `R` is the capability to send routed records of an epoch.
pub(super) struct Matches<R> {
    /// Routed records.
    pub(super) routed: Outgoing<R>,
    /// Records that are not events.
    pub(super) refused: Vec<Refused>,
    /// Clocks of partitions that have ended.
    pub(super) clocks: Vec<(PartitionId, IngestTime)>,
    /// Barriers that the sources have reached.
    pub(super) barriers: Vec<BarrierReached>,
}

impl<R> Matches<R> {
    /// Makes results whose routed records are for `peers` workers, in batches of `most` at most.
    pub(super) fn to(peers: usize, most: usize) -> Self {
        let routed = Outgoing::to(peers, most);
        Matches { routed, refused: Vec::new(), clocks: Vec::new(), barriers: Vec::new() }
    }
}

impl<C> Matching<C> {
    /// Makes the matching by `matcher` on the worker of index `worker`.
    pub(super) fn new(mut matcher: Matcher, shelf: Arc<dyn Shelf>, worker: usize) -> Self {
        let unopened = PartitionId(UNOPENED - worker as u32);
        matcher.move_clock(unopened, IngestTime::MIN);
        Matching {
            matcher,
            shelf,
            waiting: VecDeque::new(),
            switches: VecDeque::new(),
            matching: Epoch::default(),
            announced: Epoch::default(),
            clocks: Clocks::default(),
            resumed: Clocks::default(),
            unopened,
        }
    }

    /// Processes a signal of worker 0. On a new epoch, returns the ingest clocks if they have changed since
    /// they were last returned.
    pub(super) fn signal(&mut self, signal: &Signal) -> Option<&Clocks> {
        match signal {
            Signal::Epoch(epoch) => {
                self.announced = *epoch;
                self.matcher.use_rows(self.shelf.rows());
                return self.changed_clocks();
            }
            Signal::Switch { generation, at } => {
                self.switches.push_back(Switch { at: *at, generation: *generation });
            }
            Signal::Start(start) => self.resumed.extend(start.clocks.iter()),
            Signal::Prepare(_)
            | Signal::Checkpoint { .. }
            | Signal::Correct { .. }
            | Signal::Committed(_)
            | Signal::Compacted(_)
            | Signal::Hold(_) => {}
        }
        None
    }

    fn changed_clocks(&mut self) -> Option<&Clocks> {
        let changed = *self.matcher.clocks() != self.clocks;
        if changed {
            self.clocks.clone_from(self.matcher.clocks());
        }
        changed.then_some(&self.clocks)
    }

    /// Adds reads of `epoch`, to be matched after all waiting ones.
    pub(super) fn wait(&mut self, epoch: Epoch, capabilities: C, reads: Vec<Read>) {
        self.waiting.push_back(Waiting { epoch, capabilities, reads });
    }

    /// Next reads that may be matched now, with their capabilities; puts the switches before them in force.
    ///
    /// `crowds_at` returns the crowds by rule slot as of an epoch, `None` while they are not arranged up to
    /// it.
    pub(super) fn next(
        &mut self,
        slice: &Slice,
        crowds_at: &mut dyn FnMut(Epoch) -> Option<HashMap<u32, Crowd>>,
    ) -> Option<(C, Vec<Read>)> {
        if self.is_used_up(slice) {
            return None;
        }
        let epoch = self.waiting.front().map_or(self.announced, |waiting| waiting.epoch);
        while let Some(Switch { at, generation }) = self.switches.front().copied().filter(|s| s.at <= epoch) {
            let applied = self.shelf.applied(generation)?;
            self.matcher.install(Arc::clone(&applied.book), crowds_at(at)?);
            self.switches.pop_front();
        }
        if self.awaits_rows() {
            return None;
        }
        let Waiting { epoch, capabilities, reads } = self.waiting.pop_front()?;
        self.matching = epoch;
        Some((capabilities, reads))
    }

    /// Whether reads wait for the first rows of the process. Once these are built they are used, before the
    /// next epoch.
    pub(super) fn awaits_rows(&mut self) -> bool {
        if self.waiting.is_empty() || !self.matcher.asks_bitmaps() {
            return false;
        }
        let awaits = self.shelf.awaits_rows();
        if !awaits {
            self.matcher.use_rows(self.shelf.rows());
        }
        awaits
    }

    /// Slice of work that begins now.
    pub(super) fn slice(&self) -> Slice {
        Slice { end: self.work() + SLICE }
    }

    /// Whether a slice is used up, so that the rest has to wait for the next activation.
    pub(super) fn is_used_up(&self, slice: &Slice) -> bool {
        self.work() >= slice.end
    }

    /// Next of these reads, unless the slice is used up.
    pub(super) fn take(&self, slice: &Slice, reads: &mut impl Iterator<Item = Read>) -> Option<Read> {
        if self.is_used_up(slice) { None } else { reads.next() }
    }

    /// Puts back reads of a message that are left of a slice.
    pub(super) fn put_back(&mut self, capabilities: C, reads: Vec<Read>) {
        if !reads.is_empty() {
            self.waiting.push_front(Waiting { epoch: self.matching, capabilities, reads });
        }
    }

    /// Approximate cost of matching so far: records, and the filters whose crowds were asked.
    fn work(&self) -> u64 {
        let MatchCounts { records, matched, .. } = self.matcher.counts();
        records + matched
    }

    /// Matches a read, by the book now in force.
    pub(super) fn read<R>(&mut self, read: Read, matches: &mut Matches<R>) {
        match read {
            Read::Batch(batch) => self.matcher.batch(&batch, &mut matches.routed, &mut matches.refused),
            Read::Opened(partitions) => {
                for (partition, _) in partitions {
                    let resumed = self.resumed.get(partition).unwrap_or(IngestTime::MIN);
                    self.matcher.move_clock(partition, resumed);
                }
                self.matcher.move_clock(self.unopened, IngestTime::MAX);
            }
            Read::Idle { partitions, clock } => {
                for partition in partitions {
                    self.matcher.move_clock(partition, clock);
                }
            }
            Read::Barrier { barrier, positions } => {
                let unopened = self.unopened;
                let clocks = self.matcher.clocks().iter().filter(|(p, _)| *p != unopened).collect();
                matches.barriers.push(BarrierReached { barrier, positions, clocks });
            }
            Read::End { partition } => {
                let last = self.matcher.move_clock(partition, IngestTime::MIN);
                let clock = self.matcher.move_clock(partition, last.next());
                matches.clocks.push((partition, clock));
            }
        }
    }

    /// Figures since the start.
    pub(super) fn counts(&self) -> MatchCounts {
        self.matcher.counts()
    }
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
