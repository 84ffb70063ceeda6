//! Which partitions a worker reads, and from where.

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
const ANSWER: Duration = Duration::from_secs(10);
/// How long an end before the position is not believed: a broker that has just started may not know its end yet.
const SETTLE: Duration = Duration::from_secs(3);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

/// The partitions of one worker.
pub(super) struct Share {
    /// All partitions of the topic.
    pub(super) count: u32,
    /// The worker's partitions, and the first offset to be read in each.
    pub(super) positions: Positions,
}

/// Finds out what a worker reads.
pub(super) fn share(
    config: &KafkaConfig,
    client: &Client,
    worker: u32,
    workers: u32,
    resume: &Positions,
) -> Result<Share, KafkaError> {
    let topic = &config.topic;
    let count = client::count_partitions(client, topic, ANSWER).map_err(|e| e.at(&config.brokers, topic))?;
    let mine = |partition: &PartitionId| partition.worker(workers) == worker;
    if let Some((partition, position)) = resume.iter().find(|(p, _)| p.0 >= count && mine(p)) {
        let (topic, last) = (topic.clone(), PartitionId(count - 1));
        return Err(KafkaError::NoPartition { topic, partition, position, last });
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
    Ok(Share { count, positions })
}

/// ClientOffset partitions without a position begin. If others are resumed, what has come into these meanwhile counts too.
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
    patiently(config, || client::offsets(client, &config.topic, partitions, what, ANSWER))
}

/// Asks again for a while where there is no answer: a partition may be on its way to another broker, or just be made.
fn patiently<T>(config: &KafkaConfig, ask: impl Fn() -> KafkaResult<T>) -> Result<T, KafkaError> {
    let begun = Instant::now();
    loop {
        let error = match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let denied = error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed);
        if denied || begun.elapsed() >= ANSWER {
            return Err(KafkaError::Refused { topic: config.topic.clone(), reason: error.to_string() });
        }
        // Nobody tells when the broker is ready.
        thread::sleep(AGAIN);
    }
}

/// A position outside its partition.
pub(super) struct Lost {
    pub(super) partition: PartitionId,
    position: Offset,
    earliest: Offset,
    end: Offset,
}

impl Lost {
    /// ClientOffset to go on, if the settings allow that.
    pub(super) fn or_fail(self, config: &KafkaConfig) -> Result<Offset, KafkaError> {
        let Lost { partition, position, earliest, end } = self;
        let lost = KafkaError::Lost { topic: config.topic.clone(), partition, position, earliest, end };
        match config.on_lost {
            OnLost::Fail => Err(lost),
            OnLost::Earliest => {
                tracing::warn!("{lost}; going on at {earliest}, as `on_lost` says");
                Ok(earliest)
            }
        }
    }
}

/// Those of `partitions` whose position lies outside.
fn lost(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    positions: &Positions,
) -> Result<Vec<Lost>, KafkaError> {
    let begun = Instant::now();
    loop {
        let lost = patiently(config, || outside(config, client, partitions, positions, ANSWER))?;
        if lost.iter().all(|lost| lost.position < lost.earliest) || begun.elapsed() >= SETTLE {
            return Ok(lost);
        }
        // Nobody tells when the broker is ready.
        thread::sleep(AGAIN);
    }
}

/// Asks once which positions lie outside their partitions.
pub(super) fn outside(
    config: &KafkaConfig,
    client: &Client,
    partitions: &[PartitionId],
    positions: &Positions,
    wait: Duration,
) -> KafkaResult<Vec<Lost>> {
    let earliest = client::offsets(client, &config.topic, partitions, ClientOffset::Beginning, wait)?;
    let ends = client::offsets(client, &config.topic, partitions, ClientOffset::End, wait)?;
    let lost = partitions.iter().copied().filter_map(|partition| {
        let (position, earliest, end) =
            (positions.get(partition)?, earliest.get(partition)?, ends.get(partition)?);
        let outside = !(earliest..=end).contains(&position);
        outside.then_some(Lost { partition, position, earliest, end })
    });
    Ok(lost.collect())
}
