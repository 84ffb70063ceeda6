//! Finds out whether a stretch of a partition holds any record at all.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId};
use rdkafka::{
    consumer::Consumer,
    error::{KafkaError as ClientError, KafkaResult},
};

use super::client::{Client, assignment, exactly, partition_of};

/// Longest look at one partition; the client itself may take a second to begin.
const LOOK: Duration = Duration::from_secs(10);
/// Longest time that is spent in one round, and most messages that are taken.
const ROUND: (Duration, usize) = (Duration::from_millis(100), 1000);

/// Knows stretches without a record: of each partition the last one found.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// From the first offset to before the second.
    empty: BTreeMap<PartitionId, (Offset, Offset)>,
    looking: BTreeMap<PartitionId, Look>,
}

/// A part of a partition, to be looked at for records: from the first offset to before `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) partition: PartitionId,
    pub(super) from: Offset,
    pub(super) end: Offset,
}

/// A look under way.
#[derive(Debug)]
struct Look {
    from: Offset,
    end: Offset,
    begun: Instant,
}

impl Prober {
    /// Moves an end that lies in a known empty stretch to that stretch's beginning.
    pub(super) fn lower(&self, partition: PartitionId, end: Offset) -> Offset {
        match self.empty.get(&partition) {
            Some((from, to)) if (from..=to).contains(&&end) => *from,
            _ => end,
        }
    }

    /// Begins to read each partition from its first offset on, to see whether a record or the end comes first; those
    /// that are being looked at already are left alone. The second offset is where the partition is known to end by now,
    /// so that the end that comes is never before it.
    pub(super) fn look(&mut self, client: &Client, topic: &str, stretches: Vec<Stretch>) {
        let new: Vec<_> =
            stretches.into_iter().filter(|s| !self.looking.contains_key(&s.partition)).collect();
        if new.is_empty() {
            return;
        }
        let result = assignment(topic, new.iter().map(|s| (s.partition, exactly(s.from))))
            .and_then(|list| client.incremental_assign(&list));
        if let Err(error) = result {
            tracing::debug!(topic, "no look at the ends: {error}");
            return;
        }
        let begun = Instant::now();
        let look = |Stretch { partition, from, end }| (partition, Look { from, end, begun });
        self.looking.extend(new.into_iter().map(look));
    }

    /// Takes what has come; errors of connections come this way too. Returns soon if nothing is being looked at.
    pub(super) fn gather(&mut self, client: &Client, topic: &str) {
        let begun = Instant::now();
        for _ in 0..ROUND.1 {
            let left = if self.looking.is_empty() {
                Duration::ZERO
            } else {
                ROUND.0.saturating_sub(begun.elapsed())
            };
            let (partition, empty) = match client.poll(left) {
                Some(Ok(message)) => (partition_of(&message), false),
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    (PartitionId(u32::try_from(partition).unwrap_or(u32::MAX)), true)
                }
                Some(Err(_)) => continue,
                None => break,
            };
            if let Some(look) = self.looking.remove(&partition) {
                if empty {
                    self.empty.insert(partition, (look.from, look.end));
                }
                self.leave(client, topic, partition);
            }
        }
        let old: Vec<PartitionId> =
            self.looking.iter().filter(|(_, l)| l.begun.elapsed() >= LOOK).map(|(p, _)| *p).collect();
        for partition in old {
            self.looking.remove(&partition);
            self.leave(client, topic, partition);
        }
    }

    fn leave(&self, client: &Client, topic: &str, partition: PartitionId) {
        let result: KafkaResult<()> = assignment(topic, [(partition, exactly(Offset(0)))])
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
    fn ends_inside_an_empty_stretch_move_to_its_beginning() {
        let prober =
            Prober { empty: [(PartitionId(1), (Offset(10), Offset(12)))].into(), ..Prober::default() };
        let lowered = |partition, end| prober.lower(PartitionId(partition), Offset(end)).0;
        assert_eq!([9, 10, 11, 12, 13].map(|end| lowered(1, end)), [9, 10, 10, 10, 13]);
        assert_eq!(lowered(2, 11), 11);
    }
}
