//! Probes whether a range of a partition holds any record.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{
    consumer::Consumer,
    error::{KafkaError as ClientError, KafkaResult},
};

use super::client::{Client, assignment, exact_offset, partition_of};

/// Longest probe of one partition; the client itself may take a second to begin.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time spent in one round.
const ROUND_TIME: Duration = Duration::from_millis(100);
/// Most messages consumed in one round.
const ROUND_MESSAGES: usize = 1000;

/// Ranges without a record: the last one found in each partition, and the probes in progress.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// First offset, and offset behind the last, of an empty range by partition.
    empty: BTreeMap<PartitionId, (Offset, Offset)>,
    probes: BTreeMap<PartitionId, Probe>,
}

/// Range of a partition to probe for records: from the first offset to before `end`.
///
/// **Invariant**: `end` is an end of the partition known by now, so the end that is found cannot lie before
/// it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OffsetRange {
    pub(super) partition: PartitionId,
    pub(super) from: Offset,
    pub(super) end: Offset,
}

/// A probe in progress.
#[derive(Debug)]
struct Probe {
    from: Offset,
    end: Offset,
    begun: Instant,
}

impl Prober {
    /// Moves an end that lies in a known empty range to the beginning of that range.
    pub(super) fn lower(&self, partition: PartitionId, end: Offset) -> Offset {
        match self.empty.get(&partition) {
            Some((from, to)) if (from..=to).contains(&&end) => *from,
            _ => end,
        }
    }

    /// Starts to read each range at its first offset, to see whether a record or the end comes first;
    /// partitions with a probe in progress are left out.
    pub(super) fn start(&mut self, client: &Client, topic: &str, ranges: Vec<OffsetRange>) {
        let new: Vec<_> = ranges.into_iter().filter(|r| !self.probes.contains_key(&r.partition)).collect();
        if new.is_empty() {
            return;
        }
        let result = assignment(topic, new.iter().map(|r| (r.partition, exact_offset(r.from))))
            .and_then(|list| client.incremental_assign(&list));
        if let Err(error) = result {
            tracing::debug!(topic, "the ends can't be probed: {error}");
            return;
        }
        let begun = Instant::now();
        let probe = |OffsetRange { partition, from, end }| (partition, Probe { from, end, begun });
        self.probes.extend(new.into_iter().map(probe));
    }

    /// Consumes what the client has received, connection errors included, and finishes probes. Returns the
    /// partitions in which a record was found, each with the first offset of its range. Blocks for
    /// [`ROUND_TIME`] at most, and not at all without a probe in progress.
    pub(super) fn gather(&mut self, client: &Client, topic: &str) -> Positions {
        let begun = Instant::now();
        let mut found = Positions::default();
        for _ in 0..ROUND_MESSAGES {
            let left = if self.probes.is_empty() {
                Duration::ZERO
            } else {
                ROUND_TIME.saturating_sub(begun.elapsed())
            };
            let (partition, empty) = match client.poll(left) {
                Some(Ok(message)) => (partition_of(&message), false),
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    (PartitionId(u32::try_from(partition).unwrap_or(u32::MAX)), true)
                }
                Some(Err(_)) => continue,
                None => break,
            };
            if let Some(probe) = self.probes.remove(&partition) {
                if empty {
                    self.empty.insert(partition, (probe.from, probe.end));
                } else {
                    found.insert(partition, probe.from);
                }
                self.leave(client, topic, partition);
            }
        }
        let old: Vec<PartitionId> =
            self.probes.iter().filter(|(_, p)| p.begun.elapsed() >= PROBE_TIMEOUT).map(|(p, _)| *p).collect();
        for partition in old {
            self.probes.remove(&partition);
            self.leave(client, topic, partition);
        }
        found
    }

    fn leave(&self, client: &Client, topic: &str, partition: PartitionId) {
        let result: KafkaResult<()> = assignment(topic, [(partition, exact_offset(Offset(0)))])
            .and_then(|list| client.incremental_unassign(&list));
        if let Err(error) = result {
            tracing::debug!(topic, partition = partition.0, "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_inside_an_empty_range_move_to_its_beginning() {
        let prober =
            Prober { empty: [(PartitionId(1), (Offset(10), Offset(12)))].into(), ..Prober::default() };
        let lowered = |partition, end| prober.lower(PartitionId(partition), Offset(end)).0;
        assert_eq!([9, 10, 11, 12, 13].map(|end| lowered(1, end)), [9, 10, 10, 10, 13]);
        assert_eq!(lowered(2, 11), 11);
    }
}
