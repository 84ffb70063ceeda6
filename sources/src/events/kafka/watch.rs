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
//! If a query fails, no end is published. Nor are those of the first [`PRODUCERS_RETURN`] after a failure: the
//! producers have to find the brokers again, too, and what they have kept belongs before the end.
//!
//! # Topics made anew
//! A topic that was deleted and created again may have fewer partitions, or end before the positions that are
//! read; the reading client need not report either, so this thread does. While there is no topic, that is the
//! source's trouble.
//!
//! # Clients that do not recover
//! See [`Standstill`]. If the brokers do not answer this thread's client, it is replaced every [`RENEW_AFTER`];
//! that the reader's client stands still is a finding.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{Offset as ClientOffset, error::KafkaResult};

use super::{
    KafkaConfig,
    client::{self, Client, Context},
    open::END_SETTLE_TIME,
    probe::{OffsetRange, Prober},
    shared::{Ends, Lost, PartitionBoard, Reached},
    standstill::Standstill,
};
use crate::events::wall_ms;

/// Pause between two queries for ends.
const ROUND_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two queries for new partitions.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(2);
/// A partition that has returned nothing for this long is quiet: its records' own times no longer advance its
/// ingest clock.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Time after an outage in which producers connect again: the default of librdkafka's
/// `reconnect.backoff.max.ms`.
const PRODUCERS_RETURN: Duration = Duration::from_secs(10);
/// Time after which a client that gets no answer is replaced.
const RENEW_AFTER: Duration = Duration::from_secs(10);
/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Client and settings of the watching thread.
pub(super) struct Watcher {
    pub(super) client: Client,
    pub(super) config: KafkaConfig,
    pub(super) worker: u32,
    pub(super) workers: u32,
    /// Number of partitions known so far, over all workers.
    pub(super) count: u32,
    pub(super) board: Arc<PartitionBoard>,
}

/// State of the watching thread between two rounds.
struct WatcherState {
    prober: Prober,
    standstill: Standstill,
    /// How often the reader had found nothing by the last round.
    idle: u64,
    discovered: Instant,
    /// Instant since which the brokers have not answered.
    away: Option<Instant>,
    /// Instant since which they answer again.
    back: Option<Instant>,
    /// Instant at which the client was created.
    renewed: Instant,
    /// Instant since which some partition ends before its position.
    behind: Option<Instant>,
}

impl WatcherState {
    fn new() -> Self {
        let now = Instant::now();
        WatcherState {
            prober: Prober::default(),
            standstill: Standstill::default(),
            idle: 0,
            discovered: now,
            away: None,
            back: None,
            renewed: now,
            behind: None,
        }
    }

    /// Whether a partition has ended before its position for [`END_SETTLE_TIME`], now that it does or does not.
    fn ends_behind(&mut self, now: bool) -> bool {
        self.behind = now.then(|| self.behind.unwrap_or_else(Instant::now));
        self.behind.take_if(|since| since.elapsed() >= END_SETTLE_TIME).is_some()
    }

    /// Whether the brokers have answered long enough for the ends to include what producers have kept.
    fn is_settled(&self) -> bool {
        self.away.is_none() && self.back.is_none_or(|back| back.elapsed() >= PRODUCERS_RETURN)
    }
}

impl Watcher {
    /// Starts the thread. It ends after [`PartitionBoard::stop`], within the time of one query.
    pub(super) fn start(self) -> std::io::Result<()> {
        thread::Builder::new()
            .name(format!("watch {}", self.config.topic))
            .spawn(move || self.run())
            .map(drop)
    }

    fn run(mut self) {
        let mut state = WatcherState::new();
        while self.board.pause(ROUND_INTERVAL) {
            let result = self.round(&mut state);
            self.note_outage(&mut state, result);
            self.renew_client(&mut state);
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
        let mut ends = client::offsets(
            &self.client,
            &self.config.topic,
            &partitions,
            ClientOffset::End,
            ANSWER_TIMEOUT,
        )?;
        let behind = ends.iter().any(|(p, end)| reached.get(&p).is_some_and(|r| end < r.position));
        if state.ends_behind(behind) {
            self.board.lose(Lost::Position);
        }
        let quiet = quiet(&reached);
        self.probe(state, &mut ends, &quiet, idle);
        self.publish_lags(&ends, &reached);
        if state.is_settled() {
            let ends = ends.into_iter().filter(|(partition, _)| quiet.contains(*partition)).collect();
            self.board.ends(Ends { at, ends });
        }
        Ok(())
    }

    /// Lowers ends before which only markers lie, and starts probes where that is not known. Publishes where the
    /// reader stands still before a record.
    fn probe(&self, state: &mut WatcherState, ends: &mut Positions, quiet: &Positions, idle: u64) {
        let found = state.prober.gather(&self.client, &self.config.topic);
        state.standstill.enter(found, idle, Instant::now());
        let standing = state.standstill.take(quiet, idle, Instant::now());
        if !standing.is_empty() {
            self.board.stand_still(standing);
        }
        *ends = ends.iter().map(|(p, end)| (p, state.prober.lower(p, end))).collect();
        // A reader that has not reached the end of its queue still has records to return, so no probe is
        // needed.
        if mem::replace(&mut state.idle, idle) == idle {
            return;
        }
        let short = |(partition, from): (PartitionId, Offset)| {
            let end = ends.get(partition).filter(|end| from < *end)?;
            let known = state.standstill.is_known(partition, from);
            (!known).then_some(OffsetRange { partition, from, end })
        };
        let ranges = quiet.iter().filter_map(short).collect();
        state.prober.start(&self.client, &self.config.topic, ranges);
    }

    /// Opens new partitions of this worker at their beginning: they were created after the source was opened.
    fn discover(&mut self) -> KafkaResult<()> {
        let KafkaConfig { brokers, topic, .. } = &self.config;
        let count = match client::count_partitions(&self.client, topic, ANSWER_TIMEOUT) {
            Ok(count) => count,
            Err(client::CountError::Unreachable(error)) => return Err(error),
            // The topic is gone, or may no longer be read.
            Err(other) => {
                self.board.set_trouble(Some(other.at(brokers, topic).to_string()));
                return Ok(());
            }
        };
        self.board.set_trouble(None);
        let (reached, _) = self.board.reached();
        if let Some(partition) = reached.into_keys().find(|partition| partition.0 >= count) {
            self.board.lose(Lost::Partition { partition, last: PartitionId(count - 1) });
            return Ok(());
        }
        let mine = |partition: &PartitionId| partition.worker(self.workers) == self.worker;
        let new: Vec<PartitionId> = (self.count..count).map(PartitionId).filter(mine).collect();
        let begin =
            client::offsets(&self.client, &self.config.topic, &new, ClientOffset::Beginning, ANSWER_TIMEOUT)?;
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

    /// Notes and logs that the brokers do not answer, and that they are back.
    fn note_outage(&self, state: &mut WatcherState, result: KafkaResult<()>) {
        let KafkaConfig { brokers, topic, .. } = &self.config;
        match (result, state.away) {
            (Err(error), None) => {
                state.away = Some(Instant::now());
                tracing::warn!(%brokers, %topic, "Kafka does not answer ({error}); reading continues when it does");
            }
            (Ok(()), Some(since)) => {
                state.away = None;
                state.back = Some(Instant::now());
                let seconds = since.elapsed().as_secs();
                tracing::info!(%brokers, %topic, "Kafka is back after {seconds} s");
            }
            _ => {}
        }
    }

    /// Replaces a client that has had no answer for [`RENEW_AFTER`].
    fn renew_client(&mut self, state: &mut WatcherState) {
        let long_ago = |instant: Instant| instant.elapsed() >= RENEW_AFTER;
        if !(state.away.is_some_and(long_ago) && long_ago(state.renewed)) {
            return;
        }
        state.renewed = Instant::now();
        match client::create(&self.config.watcher(), Context::default()) {
            Ok(client) => client::abandon(mem::replace(&mut self.client, client)),
            Err(error) => tracing::debug!(topic = %self.config.topic, "{error}"),
        }
        state.prober = Prober::default();
    }
}

/// Positions of the partitions that have returned nothing for [`QUIET_AFTER`].
fn quiet(reached: &BTreeMap<PartitionId, Reached>) -> Positions {
    let quiet = reached.iter().filter(|(_, reached)| reached.moved.elapsed() >= QUIET_AFTER);
    quiet.map(|(partition, reached)| (*partition, reached.position)).collect()
}
