//! State shared by the reading and the watching thread.
//!
//! **Invariant**: the lock is never held while a broker is queried.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};

/// Progress of the reading of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// The first offset that has not been returned yet.
    pub(super) position: Offset,
    /// Instant at which something was last returned.
    pub(super) moved: Instant,
}

/// Answer to a query for ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// Instant of the query, unix ms.
    pub(super) at: i64,
    /// Quiet partitions, each with the least position behind which nothing remains to be read before its end.
    pub(super) ends: Positions,
}

#[derive(Debug, Default)]
struct PartitionState {
    reached: BTreeMap<PartitionId, Reached>,
    /// Number of times that the reader found nothing to read.
    idle: u64,
    ends: Option<Ends>,
    /// New partitions, each with its first position.
    opened: Positions,
    standing: Vec<PartitionId>,
    lost: Option<Lost>,
    /// Why the topic can't be read, although the brokers answer.
    trouble: Option<String>,
    stopped: bool,
}

/// Positions, ends and new partitions, shared by the two threads.
#[derive(Debug, Default)]
pub(super) struct PartitionBoard {
    state: Mutex<PartitionState>,
    stop: Condvar,
    /// Lag in records, by partition.
    pub(super) lags: Arc<Mutex<BTreeMap<PartitionId, i64>>>,
}

/// What is no longer as the positions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Some partition ends before its position.
    Position,
    /// The topic has fewer partitions than are read.
    Partition {
        /// The first that is gone.
        partition: PartitionId,
        /// The topic's last partition.
        last: PartitionId,
    },
}

/// A finding of the watching thread.
#[derive(Debug)]
pub(super) enum Finding {
    /// Positions, or whole partitions, that the topic no longer has.
    Lost(Lost),
    /// New partitions, each with its first position.
    Opened(Positions),
    /// Partitions that the reader's client has stopped to read.
    Standing(Vec<PartitionId>),
    /// Partitions that held nothing more at that time, unix ms.
    CaughtUp(Vec<PartitionId>, i64),
}

impl PartitionBoard {
    fn state(&self) -> MutexGuard<'_, PartitionState> {
        // No update is ever left half done, so a poisoned lock is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the partition is read from `position` on.
    pub(super) fn begin(&self, partition: PartitionId, position: Offset) {
        self.state().reached.insert(partition, Reached { position, moved: Instant::now() });
    }

    /// Records that everything of the partition before `position` has been returned.
    pub(super) fn reach(&self, partition: PartitionId, position: Offset) {
        self.begin(partition, position);
    }

    /// Counts that there was nothing to read.
    pub(super) fn found_nothing(&self) {
        self.state().idle += 1;
    }

    /// Progress of all partitions that are read, and how often the reader found nothing.
    pub(super) fn reached(&self) -> (BTreeMap<PartitionId, Reached>, u64) {
        let state = self.state();
        (state.reached.clone(), state.idle)
    }

    /// The first offset not returned yet, by partition.
    pub(super) fn positions(&self) -> Positions {
        self.state().reached.iter().map(|(partition, reached)| (*partition, reached.position)).collect()
    }

    /// The first offset of one partition that has not been returned yet; `None` if it is not read.
    pub(super) fn position(&self, partition: PartitionId) -> Option<Offset> {
        self.state().reached.get(&partition).map(|reached| reached.position)
    }

    /// Publishes new partitions.
    pub(super) fn open(&self, partitions: Positions) {
        self.state().opened.extend(partitions);
    }

    /// Publishes that the reader's client has stopped to read these partitions.
    pub(super) fn stand_still(&self, partitions: Vec<PartitionId>) {
        self.state().standing = partitions;
    }

    /// Publishes that the topic no longer has what is read.
    pub(super) fn lose(&self, lost: Lost) {
        self.state().lost = Some(lost);
    }

    /// Publishes why the topic can't be read, or that it can.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.state().trouble = trouble;
    }

    /// Why the topic can't be read.
    pub(super) fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// Publishes ends; an older answer that was not consumed is replaced.
    pub(super) fn ends(&self, ends: Ends) {
        self.state().ends = Some(ends);
    }

    /// Takes the next finding, lost and new partitions first.
    pub(super) fn take_finding(&self) -> Option<Finding> {
        let mut state = self.state();
        if let Some(lost) = state.lost.take() {
            return Some(Finding::Lost(lost));
        }
        if !state.opened.is_empty() {
            return Some(Finding::Opened(std::mem::take(&mut state.opened)));
        }
        if !state.standing.is_empty() {
            return Some(Finding::Standing(std::mem::take(&mut state.standing)));
        }
        let Ends { at, ends } = state.ends.take()?;
        let at_end = |(partition, end): (PartitionId, Offset)| {
            state.reached.get(&partition).is_some_and(|r| r.position >= end).then_some(partition)
        };
        let partitions: Vec<PartitionId> = ends.into_iter().filter_map(at_end).collect();
        (!partitions.is_empty()).then_some(Finding::CaughtUp(partitions, at))
    }

    /// Blocks for `pause`, or until the source is dropped; false in the latter case.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let waited = self.stop.wait_timeout_while(self.state(), pause, |state| !state.stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Ends the watching thread.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.stop.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::positions, *};

    #[test]
    fn only_partitions_that_have_reached_the_end_are_caught_up() {
        let shared = PartitionBoard::default();
        shared.begin(PartitionId(0), Offset(10));
        shared.begin(PartitionId(1), Offset(10));
        shared.ends(Ends { at: 77, ends: positions([(0, 10), (1, 11), (2, 0)]) });
        let Some(Finding::CaughtUp(partitions, 77)) = shared.take_finding() else { panic!("nothing said") };
        assert_eq!(partitions, [PartitionId(0)]);
        assert!(shared.take_finding().is_none(), "said once");
        shared.ends(Ends { at: 78, ends: positions([(1, 11)]) });
        assert!(shared.take_finding().is_none());
    }

    #[test]
    fn new_partitions_come_first() {
        let shared = PartitionBoard::default();
        shared.ends(Ends { at: 1, ends: positions([(0, 0)]) });
        shared.begin(PartitionId(0), Offset(0));
        shared.open(positions([(3, 0)]));
        assert!(
            matches!(shared.take_finding(), Some(Finding::Opened(opened)) if opened == positions([(3, 0)]))
        );
        assert!(matches!(shared.take_finding(), Some(Finding::CaughtUp(..))));
    }
}
