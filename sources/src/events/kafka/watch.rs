//! A thread that asks the brokers what the reading thread must not wait for: where partitions end, and whether there
//! are new ones.
//!
//! It has a client of its own, because a broker answers one connection's requests in turn, and a fetch of events may
//! take half a second there.
//!
//! # When a partition is caught up
//! When everything before the end that was asked for has been handed over. With `read_committed` the end is the last
//! stable offset. It may lie behind the last record: the markers of transactions, the records of aborted ones and what
//! compaction has removed take up offsets, but are never handed over. So where a quiet partition stands before its end,
//! the [`Prober`] reads from there; if the end comes before any record, that stretch is known to hold nothing, and is
//! not asked about again.
//!
//! ClientOffset a question fails, nothing is said. Nor is the first answer after that used: its question may have been put
//! while the brokers were away.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{Offset as ClientOffset, error::KafkaResult};

use super::{
    client::{self, Client},
    probe::{Prober, Stretch},
    shared::{Ends, Reached, Shared},
};
use crate::events::wall_ms;

/// Between two questions for ends.
const EVERY: Duration = Duration::from_millis(500);
/// Between two looks for new partitions.
const DISCOVER: Duration = Duration::from_secs(2);
/// A partition that has handed over nothing for so long is quiet: the records' own times no longer move its clock.
const QUIET: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The watching thread's own things.
pub(super) struct Watch {
    pub(super) client: Client,
    pub(super) brokers: String,
    pub(super) topic: String,
    pub(super) worker: u32,
    pub(super) workers: u32,
    /// Partitions known so far, all workers'.
    pub(super) count: u32,
    pub(super) shared: Arc<Shared>,
}

/// What it remembers from one round to the next.
struct Memory {
    prober: Prober,
    /// Times the reader had found nothing by the last round.
    idle: u64,
    discovered: Instant,
    /// Since when the brokers give no answer.
    away: Option<Instant>,
}

impl Watch {
    /// Starts the thread. It ends after [`Shared::stop`], within the time of one question.
    pub(super) fn start(self) -> std::io::Result<()> {
        thread::Builder::new().name(format!("watch {}", self.topic)).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        let mut memory =
            Memory { prober: Prober::default(), idle: 0, discovered: Instant::now(), away: None };
        while self.shared.pause(EVERY) {
            let result = self.round(&mut memory);
            self.note(&mut memory, result);
        }
    }

    fn round(&mut self, memory: &mut Memory) -> KafkaResult<()> {
        if memory.discovered.elapsed() >= DISCOVER {
            self.discover()?;
            memory.discovered = Instant::now();
        }
        let at = wall_ms();
        let (reached, idle) = self.shared.reached();
        let partitions: Vec<PartitionId> = reached.keys().copied().collect();
        let mut ends = client::offsets(&self.client, &self.topic, &partitions, ClientOffset::End, ANSWER)?;
        let quiet = quiet(&reached);
        self.look(memory, &mut ends, &quiet, idle);
        self.tell(&ends, &reached);
        if memory.away.is_none() {
            let ends = ends.into_iter().filter(|(partition, _)| quiet.contains(*partition)).collect();
            self.shared.ends(Ends { at, ends });
        }
        Ok(())
    }

    /// Lowers ends behind which nothing but markers lie, and begins to look where that is not known.
    fn look(&self, memory: &mut Memory, ends: &mut Positions, quiet: &Positions, idle: u64) {
        memory.prober.gather(&self.client, &self.topic);
        *ends = ends.iter().map(|(p, end)| (p, memory.prober.lower(p, end))).collect();
        // A reader that has not come to the end of its queue has records to hand over; no need to look.
        if std::mem::replace(&mut memory.idle, idle) == idle {
            return;
        }
        let short = |(partition, from): (PartitionId, Offset)| {
            let end = ends.get(partition).filter(|end| from < *end)?;
            Some(Stretch { partition, from, end })
        };
        memory.prober.look(&self.client, &self.topic, quiet.iter().filter_map(short).collect());
    }

    /// New partitions of this worker are read from their beginning: they began after the source was opened.
    fn discover(&mut self) -> KafkaResult<()> {
        let count = match client::count_partitions(&self.client, &self.topic, ANSWER) {
            Ok(count) => count,
            Err(client::CountError::Unreachable(error)) => return Err(error),
            // A topic that is not there, or may no longer be read: reading says so.
            Err(_) => return Ok(()),
        };
        let mine = |partition: &PartitionId| partition.worker(self.workers) == self.worker;
        let new: Vec<PartitionId> = (self.count..count).map(PartitionId).filter(mine).collect();
        let begin = client::offsets(&self.client, &self.topic, &new, ClientOffset::Beginning, ANSWER)?;
        // All or, at the next look, none of them: a new partition may have no leader yet.
        if begin.len() == new.len() {
            self.count = count.max(self.count);
            self.shared.open(begin);
        }
        Ok(())
    }

    /// Publishes how many records each partition is behind.
    fn tell(&self, ends: &Positions, reached: &BTreeMap<PartitionId, Reached>) {
        let mut lags = self.shared.lags.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, end) in ends.iter() {
            let position = reached.get(&partition).map_or(Offset(0), |r| r.position);
            lags.insert(partition, i64::try_from(end.records_from(position)).unwrap_or(i64::MAX));
        }
    }

    /// Says once that the brokers are away, and once that they are back.
    fn note(&self, memory: &mut Memory, result: KafkaResult<()>) {
        let Watch { brokers, topic, .. } = self;
        match (result, memory.away) {
            (Err(error), None) => {
                memory.away = Some(Instant::now());
                tracing::warn!(%brokers, %topic, "Kafka gives no answer ({error}); reading goes on when it does");
            }
            (Ok(()), Some(since)) => {
                memory.away = None;
                let seconds = since.elapsed().as_secs();
                tracing::info!(%brokers, %topic, "Kafka is there again after {seconds} s");
            }
            _ => {}
        }
    }
}

/// The positions of partitions that have handed over nothing for a while.
fn quiet(reached: &BTreeMap<PartitionId, Reached>) -> Positions {
    let quiet = reached.iter().filter(|(_, reached)| reached.moved.elapsed() >= QUIET);
    quiet.map(|(partition, reached)| (*partition, reached.position)).collect()
}
