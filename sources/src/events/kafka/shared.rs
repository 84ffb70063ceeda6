//! What the reading thread and the watching thread tell each other. Nobody holds the lock while asking a broker.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};

/// How far a partition has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// The first offset that has not been handed over.
    pub(super) position: Offset,
    /// When something was handed over last.
    pub(super) moved: Instant,
}

/// The answer to a question for ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// When it was asked, unix ms.
    pub(super) at: i64,
    /// Partitions that have been quiet, and the least position that leaves nothing to be read before their end.
    pub(super) ends: Positions,
}

#[derive(Debug, Default)]
struct State {
    reached: BTreeMap<PartitionId, Reached>,
    /// Times that the reader found nothing to read.
    idle: u64,
    ends: Option<Ends>,
    /// New partitions, and where they begin.
    opened: Positions,
    stopped: bool,
}

/// Shared by both threads.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    stop: Condvar,
    /// Records behind, by partition.
    pub(super) lags: Arc<Mutex<BTreeMap<PartitionId, i64>>>,
}

/// What the watcher has found.
#[derive(Debug)]
pub(super) enum News {
    /// Partitions to be read too, and from where.
    Opened(Positions),
    /// These partitions held nothing more at that time, unix ms.
    CaughtUp(Vec<PartitionId>, i64),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is ever left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partition is read from there on.
    pub(super) fn begin(&self, partition: PartitionId, position: Offset) {
        self.state().reached.insert(partition, Reached { position, moved: Instant::now() });
    }

    /// Everything of the partition before `position` has been handed over.
    pub(super) fn reach(&self, partition: PartitionId, position: Offset) {
        self.begin(partition, position);
    }

    /// There was nothing to read.
    pub(super) fn found_nothing(&self) {
        self.state().idle += 1;
    }

    /// All partitions that are read and how far they have come, and how often the reader found nothing.
    pub(super) fn reached(&self) -> (BTreeMap<PartitionId, Reached>, u64) {
        let state = self.state();
        (state.reached.clone(), state.idle)
    }

    /// How far all partitions have come.
    pub(super) fn positions(&self) -> Positions {
        self.state().reached.iter().map(|(partition, reached)| (*partition, reached.position)).collect()
    }

    /// How far one partition has come.
    pub(super) fn position(&self, partition: PartitionId) -> Option<Offset> {
        self.state().reached.get(&partition).map(|reached| reached.position)
    }

    /// Tells of new partitions.
    pub(super) fn open(&self, partitions: Positions) {
        self.state().opened.extend(partitions);
    }

    /// Tells where partitions end; an older answer nobody has taken is forgotten.
    pub(super) fn ends(&self, ends: Ends) {
        self.state().ends = Some(ends);
    }

    /// What there is to tell, partitions to be opened first.
    pub(super) fn news(&self) -> Option<News> {
        let mut state = self.state();
        if !state.opened.is_empty() {
            return Some(News::Opened(std::mem::take(&mut state.opened)));
        }
        let Ends { at, ends } = state.ends.take()?;
        let at_end = |(partition, end): (PartitionId, Offset)| {
            state.reached.get(&partition).is_some_and(|r| r.position >= end).then_some(partition)
        };
        let partitions: Vec<PartitionId> = ends.into_iter().filter_map(at_end).collect();
        (!partitions.is_empty()).then_some(News::CaughtUp(partitions, at))
    }

    /// Waits; false once it is time to stop.
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
    use super::*;

    fn positions<const N: usize>(pairs: [(u32, u64); N]) -> Positions {
        pairs.into_iter().map(|(partition, offset)| (PartitionId(partition), Offset(offset))).collect()
    }

    #[test]
    fn only_partitions_that_have_reached_the_end_are_caught_up() {
        let shared = Shared::default();
        shared.begin(PartitionId(0), Offset(10));
        shared.begin(PartitionId(1), Offset(10));
        shared.ends(Ends { at: 77, ends: positions([(0, 10), (1, 11), (2, 0)]) });
        let Some(News::CaughtUp(partitions, 77)) = shared.news() else { panic!("nothing said") };
        assert_eq!(partitions, [PartitionId(0)]);
        assert!(shared.news().is_none(), "said once");
        shared.ends(Ends { at: 78, ends: positions([(1, 11)]) });
        assert!(shared.news().is_none());
    }

    #[test]
    fn new_partitions_come_first() {
        let shared = Shared::default();
        shared.ends(Ends { at: 1, ends: positions([(0, 0)]) });
        shared.begin(PartitionId(0), Offset(0));
        shared.open(positions([(3, 0)]));
        assert!(matches!(shared.news(), Some(News::Opened(opened)) if opened == positions([(3, 0)])));
        assert!(matches!(shared.news(), Some(News::CaughtUp(..))));
    }
}
