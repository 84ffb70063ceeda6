//! Finds out whether a stretch of a partition holds any record at all.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
    empty: BTreeMap<u32, (u64, u64)>,
    looking: BTreeMap<u32, Look>,
}

/// A look under way.
#[derive(Debug)]
struct Look {
    from: u64,
    end: u64,
    begun: Instant,
}

impl Prober {
    /// Moves an end that lies in a known empty stretch to that stretch's beginning.
    pub(super) fn lower(&self, partition: u32, end: &mut u64) {
        if let Some(&(from, to)) = self.empty.get(&partition)
            && (from..=to).contains(end)
        {
            *end = from;
        }
    }

    /// Begins to read each partition from its first offset on, to see whether a record or the end comes first; those
    /// that are being looked at already are left alone. The second offset is where the partition is known to end by now,
    /// so that the end that comes is never before it.
    pub(super) fn look(&mut self, client: &Client, topic: &str, stretches: Vec<(u32, u64, u64)>) {
        let new: Vec<_> = stretches.into_iter().filter(|(p, ..)| !self.looking.contains_key(p)).collect();
        if new.is_empty() {
            return;
        }
        let result = assignment(topic, new.iter().map(|(partition, from, _)| (*partition, exactly(*from))))
            .and_then(|list| client.incremental_assign(&list));
        if let Err(error) = result {
            tracing::debug!(topic, "no look at the ends: {error}");
            return;
        }
        let begun = Instant::now();
        self.looking.extend(new.into_iter().map(|(p, from, end)| (p, Look { from, end, begun })));
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
                    (u32::try_from(partition).unwrap_or(u32::MAX), true)
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
        let old: Vec<u32> =
            self.looking.iter().filter(|(_, l)| l.begun.elapsed() >= LOOK).map(|(p, _)| *p).collect();
        for partition in old {
            self.looking.remove(&partition);
            self.leave(client, topic, partition);
        }
    }

    fn leave(&self, client: &Client, topic: &str, partition: u32) {
        let result: KafkaResult<()> =
            assignment(topic, [(partition, exactly(0))]).and_then(|list| client.incremental_unassign(&list));
        if let Err(error) = result {
            tracing::debug!(topic, partition, "{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_inside_an_empty_stretch_move_to_its_beginning() {
        let prober = Prober { empty: [(1, (10, 12))].into(), ..Prober::default() };
        let lowered = |partition, mut end| {
            prober.lower(partition, &mut end);
            end
        };
        assert_eq!([9, 10, 11, 12, 13].map(|end| lowered(1, end)), [9, 10, 10, 10, 13]);
        assert_eq!(lowered(2, 11), 11);
    }
}
