//! Choice of the partitions that a worker reads, and of their first positions.

use std::{
    thread,
    time::{Duration, Instant},
};

use operators::model::ids::{Offset, PartitionId, Positions};
use rdkafka::{
    Offset as ClientOffset,
    error::{KafkaResult, RDKafkaErrorCode},
};

use super::{
    KafkaConfig, KafkaError,
    client::{self, Client},
    config::{OnLost, StartAt},
};

/// Longest wait for an answer while the source is opened.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an end that lies before the position is distrusted: a broker that has just started may not know
/// the end yet.
pub(super) const END_SETTLE_TIME: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Partitions of one worker.
pub(super) struct WorkerPartitions {
    /// Number of partitions of the topic.
    pub(super) count: u32,
    /// The worker's partitions, each with the first offset to read.
    pub(super) positions: Positions,
}

/// Determines the partitions of a worker. Blocks until the brokers have answered or the timeout has passed.
pub(super) fn worker_partitions(
    config: &KafkaConfig,
    client: &Client,
    worker: u32,
    workers: u32,
    resume: &Positions,
) -> Result<WorkerPartitions, KafkaError> {
    let topic = &config.topic;
    let count =
        client::count_partitions(client, topic, ANSWER_TIMEOUT).map_err(|e| e.at(&config.brokers, topic))?;
    let mine = |partition: &PartitionId| partition.worker(workers) == worker;
    for (partition, position) in resume.iter().filter(|(p, _)| p.0 >= count && mine(p)) {
        let (topic, last) = (topic.clone(), PartitionId(count - 1));
        let gone = KafkaError::NoPartition { topic, partition, position, last };
        match config.on_lost {
            OnLost::Fail => return Err(gone),
            OnLost::Earliest => tracing::warn!("{gone}; it is left out, as `on_lost` says"),
        }
    }
    let partitions: Vec<PartitionId> = (0..count).map(PartitionId).filter(mine).collect();
    let new: Vec<PartitionId> = partitions.iter().copied().filter(|p| !resume.contains(*p)).collect();
    let starts = starts(config, client, &new, !resume.is_empty())?;
    let mut positions = Positions::default();
    for partition in partitions {
        let start = starts.get(partition).unwrap_or_default();
        positions.insert(partition, resume.get(partition).unwrap_or(start));
    }
    let resumed: Vec<PartitionId> = positions.partitions().filter(|p| resume.contains(*p)).collect();
    for lost in lost(config, client, &resumed, &positions)? {
        positions.insert(lost.partition, lost.or_fail(config)?);
    }
    Ok(WorkerPartitions { count, positions })
}

/// First positions of partitions without a position to resume from. If others are resumed, these begin at
/// their oldest record, so that what has arrived meanwhile is read.
fn starts(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    resumed: bool,
) -> Result<Positions, KafkaError> {
    let ask = |what| ask(config, client, partitions, what);
    match config.start {
        StartAt::Earliest => ask(ClientOffset::Beginning),
        StartAt::Latest if resumed => ask(ClientOffset::Beginning),
        StartAt::Latest => ask(ClientOffset::End),
        StartAt::Timestamp(time) => {
            let mut starts = ask(ClientOffset::End)?;
            starts.extend(ask(ClientOffset::Offset(time.max(0)))?);
            Ok(starts)
        }
    }
}

fn ask(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    what: ClientOffset,
) -> Result<Positions, KafkaError> {
    retry_while_unavailable(config, || {
        client::offsets(client, &config.topic, partitions, what, ANSWER_TIMEOUT)
    })
}

/// Retries `ask` while it fails, for [`ANSWER_TIMEOUT`]: a partition may be moving to another broker, or be
/// in creation. Blocks the calling thread. A denied authorization fails at once.
fn retry_while_unavailable<T>(
    config: &KafkaConfig,
    ask: impl Fn() -> KafkaResult<T>,
) -> Result<T, KafkaError> {
    let begun = Instant::now();
    loop {
        let error = match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let denied = error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        if denied {
            return Err(KafkaError::Refused { topic: config.topic.clone(), reason: error.to_string() });
        }
        if begun.elapsed() >= ANSWER_TIMEOUT {
            let (brokers, reason) = (config.brokers.clone(), error.to_string());
            return Err(KafkaError::Unreachable { brokers, reason });
        }
        // The brokers send no notification when they are ready.
        thread::sleep(RETRY_INTERVAL);
    }
}

/// A position that lies outside its partition.
pub(super) struct LostPosition {
    pub(super) partition: PartitionId,
    position: Offset,
    earliest: Offset,
    end: Offset,
}

impl LostPosition {
    /// The position at which to continue if `on_lost` allows that, else the error.
    pub(super) fn or_fail(self, config: &KafkaConfig) -> Result<Offset, KafkaError> {
        let LostPosition { partition, position, earliest, end } = self;
        let lost = KafkaError::Lost { topic: config.topic.clone(), partition, position, earliest, end };
        match config.on_lost {
            OnLost::Fail => Err(lost),
            OnLost::Earliest => {
                tracing::warn!("{lost}; continuing at {earliest}, as `on_lost` says");
                Ok(earliest)
            }
        }
    }
}

/// Positions of `partitions` that lie outside; blocks for up to [`END_SETTLE_TIME`] if one lies behind its
/// end.
fn lost(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    positions: &Positions,
) -> Result<Vec<LostPosition>, KafkaError> {
    let begun = Instant::now();
    loop {
        let lost = retry_while_unavailable(config, || {
            outside(config, client, partitions, positions, ANSWER_TIMEOUT)
        })?;
        if lost.iter().all(|lost| lost.position < lost.earliest) || begun.elapsed() >= END_SETTLE_TIME {
            return Ok(lost);
        }
        // The brokers send no notification when they are ready.
        thread::sleep(RETRY_INTERVAL);
    }
}

/// Queries once for the positions that lie outside their partitions.
pub(super) fn outside(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    positions: &Positions,
    wait: Duration,
) -> KafkaResult<Vec<LostPosition>> {
    let earliest = client::offsets(client, &config.topic, partitions, ClientOffset::Beginning, wait)?;
    let ends = client::offsets(client, &config.topic, partitions, ClientOffset::End, wait)?;
    let lost = partitions.iter().copied().filter_map(|partition| {
        let (position, earliest, end) =
            (positions.get(partition)?, earliest.get(partition)?, ends.get(partition)?);
        let outside = !(earliest..=end).contains(&position);
        outside.then_some(LostPosition { partition, position, earliest, end })
    });
    Ok(lost.collect())
}
