//! The watching thread: queries the brokers for what the reading thread must not wait for, the ends of
//! partitions and new partitions.
//!
//! It has a client of its own, because a broker answers the requests of one connection in turn, and a fetch
//! of events may take half a second.
//!
//! # When a partition is caught up
//! A partition is caught up when everything before the end that was queried has been returned. With
//! `read_committed` the end is the last stable offset. It may lie behind the last record: transaction
//! markers, records of aborted transactions and what compaction has removed take up offsets, but are never
//! returned. So where a quiet partition stands before its end, the [`Prober`] reads from there; if the end
//! comes before any record, that range is empty and is not probed again.
//!
//! If a query fails, no end is published. Nor is the first answer after a failure: its query may have been
//! sent while the brokers were away.

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
    probe::{OffsetRange, Prober},
    shared::{Ends, PartitionBoard, Reached},
};
use crate::events::wall_ms;

/// Pause between two queries for ends.
const ROUND_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two queries for new partitions.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(2);
/// A partition that has returned nothing for this long is quiet: its records' own times no longer advance its
/// ingest clock.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Client and settings of the watching thread.
pub(super) struct Watcher {
    pub(super) client: Client,
    pub(super) brokers: String,
    pub(super) topic: String,
    pub(super) worker: u32,
    pub(super) workers: u32,
    /// Number of partitions known so far, over all workers.
    pub(super) count: u32,
    pub(super) board: Arc<PartitionBoard>,
}

/// State of the watching thread between two rounds.
struct WatcherState {
    prober: Prober,
    /// How often the reader had found nothing by the last round.
    idle: u64,
    discovered: Instant,
    /// Instant since which the brokers have not answered.
    away: Option<Instant>,
}

impl Watcher {
    /// Starts the thread. It ends after [`PartitionBoard::stop`], within the time of one query.
    pub(super) fn start(self) -> std::io::Result<()> {
        thread::Builder::new().name(format!("watch {}", self.topic)).spawn(move || self.run()).map(drop)
    }

    fn run(mut self) {
        let mut state =
            WatcherState { prober: Prober::default(), idle: 0, discovered: Instant::now(), away: None };
        while self.board.pause(ROUND_INTERVAL) {
            let result = self.round(&mut state);
            self.log_outage(&mut state, result);
        }
    }

    fn round(&mut self, state: &mut WatcherState) -> KafkaResult<()> {
        if state.discovered.elapsed() >= DISCOVERY_INTERVAL {
            self.discover()?;
            state.discovered = Instant::now();
        }
        let at = wall_ms();
        let (reached, idle) = self.board.reached();
        let partitions: Vec<PartitionId> = reached.keys().copied().collect();
        let mut ends =
            client::offsets(&self.client, &self.topic, &partitions, ClientOffset::End, ANSWER_TIMEOUT)?;
        let quiet = quiet(&reached);
        self.probe(state, &mut ends, &quiet, idle);
        self.publish_lags(&ends, &reached);
        if state.away.is_none() {
            let ends = ends.into_iter().filter(|(partition, _)| quiet.contains(*partition)).collect();
            self.board.ends(Ends { at, ends });
        }
        Ok(())
    }

    /// Lowers ends before which only markers lie, and starts probes where that is not known.
    fn probe(&self, state: &mut WatcherState, ends: &mut Positions, quiet: &Positions, idle: u64) {
        state.prober.gather(&self.client, &self.topic);
        *ends = ends.iter().map(|(p, end)| (p, state.prober.lower(p, end))).collect();
        // A reader that has not reached the end of its queue still has records to return, so no probe is
        // needed.
        if std::mem::replace(&mut state.idle, idle) == idle {
            return;
        }
        let short = |(partition, from): (PartitionId, Offset)| {
            let end = ends.get(partition).filter(|end| from < *end)?;
            Some(OffsetRange { partition, from, end })
        };
        state.prober.start(&self.client, &self.topic, quiet.iter().filter_map(short).collect());
    }

    /// Opens new partitions of this worker at their beginning: they were created after the source was opened.
    fn discover(&mut self) -> KafkaResult<()> {
        let count = match client::count_partitions(&self.client, &self.topic, ANSWER_TIMEOUT) {
            Ok(count) => count,
            Err(client::CountError::Unreachable(error)) => return Err(error),
            // The topic is gone, or may no longer be read: the reading client reports that.
            Err(_) => return Ok(()),
        };
        let mine = |partition: &PartitionId| partition.worker(self.workers) == self.worker;
        let new: Vec<PartitionId> = (self.count..count).map(PartitionId).filter(mine).collect();
        let begin =
            client::offsets(&self.client, &self.topic, &new, ClientOffset::Beginning, ANSWER_TIMEOUT)?;
        // All of them or, until the next query, none: a new partition may have no leader yet.
        if begin.len() == new.len() {
            self.count = count.max(self.count);
            self.board.open(begin);
        }
        Ok(())
    }

    /// Publishes the lag of each partition, in records.
    fn publish_lags(&self, ends: &Positions, reached: &BTreeMap<PartitionId, Reached>) {
        let mut lags = self.board.lags.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, end) in ends.iter() {
            let position = reached.get(&partition).map_or(Offset(0), |r| r.position);
            lags.insert(partition, i64::try_from(end.records_from(position)).unwrap_or(i64::MAX));
        }
    }

    /// Logs once that the brokers do not answer, and once that they are back.
    fn log_outage(&self, state: &mut WatcherState, result: KafkaResult<()>) {
        let Watcher { brokers, topic, .. } = self;
        match (result, state.away) {
            (Err(error), None) => {
                state.away = Some(Instant::now());
                tracing::warn!(%brokers, %topic, "Kafka does not answer ({error}); reading continues when it does");
            }
            (Ok(()), Some(since)) => {
                state.away = None;
                let seconds = since.elapsed().as_secs();
                tracing::info!(%brokers, %topic, "Kafka is back after {seconds} s");
            }
            _ => {}
        }
    }
}

/// Positions of the partitions that have returned nothing for [`QUIET_AFTER`].
fn quiet(reached: &BTreeMap<PartitionId, Reached>) -> Positions {
    let quiet = reached.iter().filter(|(_, reached)| reached.moved.elapsed() >= QUIET_AFTER);
    quiet.map(|(partition, reached)| (*partition, reached.position)).collect()
}
