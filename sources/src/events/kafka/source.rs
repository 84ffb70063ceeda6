//! The Kafka source: returns what the client has fetched and what the watching thread has found.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use operators::model::{
    ids::{Offset, PartitionId, Positions},
    raw::RawBatch,
};
use rdkafka::{
    consumer::Consumer,
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};

use super::{
    KafkaConfig, KafkaError,
    batch::BatchBuilder,
    client::{self, Client, Context, assignment, exact_offset, partition_of},
    commits::Commits,
    open,
    shared::{Finding, Lost, PartitionBoard},
    watch::Watcher,
};
use crate::{
    SourceError,
    events::{EventSource, MAX_RECORDS, Next, ReadProgress},
};

/// Longest poll of the client, after which findings are looked for again.
const POLL_SLICE: Duration = Duration::from_millis(20);
/// Time after which the same error is logged again.
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Longest wait for an answer about lost positions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before that query is repeated if there was no answer.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Source that reads a worker's partitions of a topic.
pub struct KafkaSource {
    config: KafkaConfig,
    consumer: Client,
    board: Arc<PartitionBoard>,
    /// Batch begun with the message that ended the batch before.
    carry: Option<BatchBuilder>,
    /// When to query the brokers for lost positions. The client reports only once that there is one.
    lost: Option<Instant>,
    logged: Option<(RDKafkaErrorCode, Instant)>,
    commits: Commits,
    /// Most messages in a batch.
    max_records: usize,
    bytes: u64,
    ended: bool,
}

impl KafkaSource {
    /// Opens the partitions p with p mod `workers` = `worker`. A partition begins at its position in
    /// `resume`, the first offset not read; positions of other workers' partitions are ignored. Blocks while
    /// the brokers are queried.
    ///
    /// # Errors
    /// If a setting is invalid, no broker answers, the topic does not exist or may not be read, or a position
    /// is not in its partition.
    pub fn open(
        config: KafkaConfig,
        worker: u32,
        workers: u32,
        resume: &Positions,
    ) -> Result<Self, SourceError> {
        config.validate()?;
        if worker >= workers {
            let reason = format!("is {worker} of {workers}; write a number below that of the workers");
            return Err(SourceError::Setting { setting: "worker", reason });
        }
        let watching = client::create(&config.watcher(), Context::default())?;
        let mine = open::worker_partitions(&config, &watching, worker, workers, resume)?;
        let mut commits = Commits::default();
        let consumer = client::create(&config.reader(), Context { committing: commits.for_client() })?;
        let board = Arc::new(PartitionBoard::default());
        let source = KafkaSource {
            consumer,
            board: Arc::clone(&board),
            carry: None,
            lost: None,
            logged: None,
            commits,
            max_records: MAX_RECORDS,
            bytes: 0,
            ended: false,
            config,
        };
        source.assign(&mine.positions)?;
        let config = source.config.clone();
        let watcher = Watcher { client: watching, config, worker, workers, count: mine.count, board };
        watcher.start().map_err(|error| SourceError::Thread {
            name: source.config.topic.clone(),
            what: format!("could not be started ({error})"),
        })?;
        Ok(source)
    }

    /// Bounds batches to `max_records` messages, at least 1, instead of [`MAX_RECORDS`].
    #[must_use]
    pub fn in_batches_of(mut self, max_records: usize) -> Self {
        self.max_records = max_records.max(1);
        self
    }

    /// Lag by partition: records not returned when the ends were last queried (twice a second); a partition
    /// that was not queried yet is missing. The watching thread keeps the map up to date.
    pub fn lags(&self) -> Arc<Mutex<BTreeMap<PartitionId, i64>>> {
        Arc::clone(&self.board.lags)
    }

    /// Starts reading these partitions.
    fn assign(&self, positions: &Positions) -> Result<(), KafkaError> {
        if positions.is_empty() {
            return Ok(());
        }
        let offsets = positions.iter().map(|(partition, position)| (partition, exact_offset(position)));
        assignment(&self.config.topic, offsets)
            .and_then(|list| self.consumer.incremental_assign(&list))
            .map_err(|error| self.fatal(&error))?;
        for (partition, position) in positions.iter() {
            self.board.begin(partition, position);
        }
        Ok(())
    }

    /// Stops reading these partitions.
    fn unassign(&self, partitions: &[PartitionId]) -> Result<(), KafkaError> {
        // The offset does not matter when unassigning.
        assignment(
            &self.config.topic,
            partitions.iter().map(|partition| (*partition, exact_offset(Offset(0)))),
        )
        .and_then(|list| self.consumer.incremental_unassign(&list))
        .map_err(|error| self.fatal(&error))
    }

    fn fatal(&self, error: &ClientError) -> KafkaError {
        KafkaError::Fatal { topic: self.config.topic.clone(), reason: error.to_string() }
    }

    fn step(&mut self, wait: Duration) -> Result<Next, KafkaError> {
        let begun = Instant::now();
        self.commits.send(&self.consumer, &self.config);
        loop {
            if let Some(next) = self.finding()? {
                return Ok(next);
            }
            if self.lost.is_some_and(|ask| ask <= Instant::now()) {
                // Positions are correct only after the carried batch has been returned.
                if let Some(batch) = self.carry.take().and_then(|carry| self.hand_over(carry)) {
                    return Ok(Next::Batch(batch));
                }
                self.find_lost()?;
            }
            let left = wait.saturating_sub(begun.elapsed());
            if let Some(batch) = self.gather(whole_millis(left).min(POLL_SLICE))? {
                return Ok(Next::Batch(batch));
            }
            if begun.elapsed() >= wait {
                return Ok(Next::Idle);
            }
        }
    }

    fn finding(&mut self) -> Result<Option<Next>, KafkaError> {
        Ok(match self.board.take_finding() {
            None => None,
            Some(Finding::Lost(Lost::Position)) => {
                self.lost.get_or_insert_with(Instant::now);
                None
            }
            Some(Finding::Lost(Lost::Partition { partition, last })) => {
                // A restart leaves it out, if `on_lost` says so.
                let position = self.board.position(partition).unwrap_or_default();
                return Err(KafkaError::NoPartition {
                    topic: self.config.topic.clone(),
                    partition,
                    position,
                    last,
                });
            }
            Some(Finding::CaughtUp(partitions, at)) => Some(Next::CaughtUp { partitions, at }),
            Some(Finding::Opened(new)) => {
                self.assign(&new)?;
                Some(Next::Opened(new))
            }
            Some(Finding::Standing(partitions)) => {
                self.renew_client(&partitions)?;
                None
            }
        })
    }

    /// Replaces the client by a new one, which reads on from the same positions.
    fn renew_client(&mut self, standing: &[PartitionId]) -> Result<(), KafkaError> {
        tracing::warn!(
            topic = %self.config.topic,
            partitions = ?standing.iter().map(|partition| partition.0).collect::<Vec<_>>(),
            "the Kafka client has stopped to read although there are records; a new client reads on"
        );
        let consumer =
            client::create(&self.config.reader(), Context { committing: self.commits.for_client() })?;
        client::abandon(mem::replace(&mut self.consumer, consumer));
        // Its messages have not been returned, so the new client reads them again.
        self.carry = None;
        self.lost = None;
        self.assign(&self.positions())
    }

    /// Collects fetched messages of one partition, up to a batch; blocks only for the first message.
    fn gather(&mut self, wait: Duration) -> Result<Option<RawBatch>, KafkaError> {
        let mut builder = self.carry.take();
        let limit = self.config.max_record_bytes;
        for _ in 0..self.max_records {
            let wait = if builder.is_none() { wait } else { Duration::ZERO };
            let message = match self.consumer.poll(wait) {
                Some(Ok(message)) => message,
                Some(Err(trouble)) => {
                    self.note(&trouble)?;
                    break;
                }
                None => {
                    self.board.found_nothing();
                    break;
                }
            };
            match &mut builder {
                None => builder = Some(BatchBuilder::begin(&message, limit)),
                Some(same) if same.partition() == partition_of(&message) => same.take(&message),
                Some(_) => {
                    self.carry = Some(BatchBuilder::begin(&message, limit));
                    break;
                }
            }
            if builder.as_ref().is_some_and(|builder| builder.is_full(self.max_records)) {
                break;
            }
        }
        Ok(builder.and_then(|built| self.hand_over(built)))
    }

    fn hand_over(&mut self, built: BatchBuilder) -> Option<RawBatch> {
        self.board.reach(built.partition(), built.next());
        let batch = built.finish()?;
        self.bytes += batch.bytes.len() as u64;
        Some(batch)
    }

    /// Handles an error of the client: lost positions and fatal errors count, the client recovers from all
    /// others.
    fn note(&mut self, trouble: &ClientError) -> Result<(), KafkaError> {
        match trouble {
            ClientError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.lost = Some(Instant::now());
            }
            ClientError::MessageConsumptionFatal(_) => return Err(self.fatal(trouble)),
            ClientError::MessageConsumption(code) => self.log(*code, trouble),
            _ => {}
        }
        Ok(())
    }

    /// Logs an error, the same one at most once a minute. Outages are logged by the watching thread.
    fn log(&mut self, code: RDKafkaErrorCode, trouble: &ClientError) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
        let topic = &self.config.topic;
        if matches!(code, AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve) {
            tracing::debug!(%topic, "{trouble}");
        } else if self.logged.is_none_or(|(last, at)| last != code || at.elapsed() >= LOG_AGAIN_AFTER) {
            tracing::warn!(%topic, "{trouble}; the Kafka client tries again");
            self.logged = Some((code, Instant::now()));
        }
    }

    /// Finds the partition that the client has stopped to read because its position is out of range; the
    /// client does not report which.
    fn find_lost(&mut self) -> Result<(), KafkaError> {
        let mut positions = self.positions();
        let partitions: Vec<PartitionId> = positions.partitions().collect();
        let Ok(lost) = open::outside(&self.config, &self.consumer, &partitions, &positions, ANSWER_TIMEOUT)
        else {
            self.lost = Some(Instant::now() + RETRY_INTERVAL);
            return Ok(());
        };
        self.lost = None;
        if lost.is_empty() {
            let topic = &self.config.topic;
            tracing::warn!(%topic, "the client found a position out of range, the brokers find none; reading on from all");
        }
        for lost in lost {
            positions.insert(lost.partition, lost.or_fail(&self.config)?);
        }
        // All partitions, so that none stays unread, whichever the client meant.
        self.unassign(&partitions)?;
        self.assign(&positions)
    }
}

/// Rounds up to whole milliseconds: the client waits for whole ones, and would spend the rest asking again
/// and again.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_micros().div_ceil(1_000) as u64)
}

impl EventSource for KafkaSource {
    /// Tombstones count as returned.
    fn positions(&self) -> Positions {
        self.board.positions()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if self.ended {
            return Ok(Next::End);
        }
        let next = self.step(wait);
        self.ended = next.is_err();
        Ok(next?)
    }

    fn commit(&mut self, positions: &Positions) {
        let mine = positions.iter().filter(|(partition, _)| self.board.position(*partition).is_some());
        self.commits.add(mine.collect());
        self.commits.send(&self.consumer, &self.config);
    }

    fn trouble(&self) -> Option<String> {
        self.board.trouble()
    }

    fn progress(&self) -> ReadProgress {
        ReadProgress { bytes: self.bytes, total: None }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.board.stop();
    }
}
