//! Detects that the reader's client has stopped to read.
//!
//! librdkafka 2.10 and later removes brokers that are missing in an answer about the cluster. An answer
//! without any broker, which a broker gives while the controllers consider all of them dead, can leave a
//! client without a broker to ask, for good (confluentinc/librdkafka, issue 5301); others stay between two
//! states of a partition (issue 4492). Neither is reported.
//!
//! **Invariants**: a partition stands still only if a record behind the reader's position was read by another
//! client [`STANDING_AFTER`] ago or earlier, and since then the position has not changed although the reader
//! has found its queue empty. So a reader that is held back, or has other partitions to read, does not stand
//! still.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};

/// Time in which a client returns the first record of a partition, if only over a slow network: a response has
/// up to 16 MiB.
const STANDING_AFTER: Duration = Duration::from_secs(30);

/// A record that the reader has not returned.
#[derive(Clone, Copy, Debug)]
struct Unread {
    /// The reader's position before it.
    position: Offset,
    found: Instant,
    /// How often the reader had found nothing by then.
    idle: u64,
}

/// Records that are known to lie behind the reader's positions.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    unread: BTreeMap<PartitionId, Unread>,
}

impl Standstill {
    /// Enters partitions in which a record was found behind the reader's position, which is given, at an instant
    /// when the reader had found nothing `idle` times.
    pub(super) fn enter(&mut self, found: Positions, idle: u64, now: Instant) {
        for (partition, position) in found {
            self.unread.insert(partition, Unread { position, found: now, idle });
        }
    }

    /// Whether a record is known to lie behind this position.
    pub(super) fn is_known(&self, partition: PartitionId, position: Offset) -> bool {
        self.unread.get(&partition).is_some_and(|unread| unread.position == position)
    }

    /// Takes the partitions that stand still, given the reader's positions and how often it has found nothing.
    pub(super) fn take(&mut self, positions: &Positions, idle: u64, now: Instant) -> Vec<PartitionId> {
        self.unread.retain(|partition, unread| positions.get(*partition) == Some(unread.position));
        let stands = |unread: &Unread| {
            // The reader may have found its queue empty the first time just before the record was fetched.
            now.duration_since(unread.found) >= STANDING_AFTER && idle > unread.idle + 1
        };
        let standing: Vec<PartitionId> = self
            .unread
            .iter()
            .filter(|(_, unread)| stands(unread))
            .map(|(partition, _)| *partition)
            .collect();
        self.unread.retain(|_, unread| !stands(unread));
        standing
    }
}

#[cfg(test)]
mod tests {
    use super::{super::positions, *};

    #[test]
    fn only_a_reader_that_looks_and_does_not_move_stands_still() {
        let begun = Instant::now();
        let late = begun + STANDING_AFTER;
        let taken = |at: &Positions, idle, now| {
            let mut standstill = Standstill::default();
            standstill.enter(positions([(1, 10), (2, 20)]), 100, begun);
            standstill.take(at, idle, now)
        };
        let still = positions([(1, 10), (2, 20), (3, 30)]);
        assert_eq!(taken(&still, 102, late), [PartitionId(1), PartitionId(2)]);
        assert_eq!(taken(&positions([(1, 11), (2, 20)]), 102, late), [PartitionId(2)], "it moves");
        assert_eq!(taken(&positions([(2, 20)]), 102, late), [PartitionId(2)], "it is read no more");
        assert!(taken(&still, 101, late).is_empty(), "its queue may never have been empty since");
        assert!(taken(&still, 102, late - Duration::from_millis(1)).is_empty(), "too early");
    }

    #[test]
    fn a_standstill_is_reported_once() {
        let begun = Instant::now();
        let (still, late) = (positions([(1, 10)]), begun + STANDING_AFTER);
        let mut standstill = Standstill::default();
        standstill.enter(still.clone(), 100, begun);
        assert!(
            standstill.is_known(PartitionId(1), Offset(10))
                && !standstill.is_known(PartitionId(1), Offset(11))
        );
        assert_eq!(standstill.take(&still, 200, late), [PartitionId(1)]);
        assert!(standstill.take(&still, 300, late).is_empty());
        assert!(!standstill.is_known(PartitionId(1), Offset(10)), "it is looked for again");
    }
}
