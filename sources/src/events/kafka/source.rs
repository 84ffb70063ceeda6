//! The source itself: reads what the client has fetched, and passes on what the watcher has found.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use operators::model::{
    ids::{Offset, PartitionId, Positions},
    raw::RawBatch,
};
use rdkafka::{
    config::ClientConfig,
    consumer::{CommitMode, Consumer},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
};

use super::{
    KafkaConfig, KafkaError,
    batch::Gathering,
    client::{Client, Context, assignment, exactly, partition_of},
    open,
    shared::{News, Shared},
    watch::Watch,
};
use crate::{
    SourceError,
    events::{EventSource, MAX_RECORDS, Next},
};

/// Longest time for which `next` does not look for news.
const SLICE: Duration = Duration::from_millis(20);
/// A commit without an answer no longer keeps the next one back after that.
const COMMIT: Duration = Duration::from_secs(30);
/// The same error is said again after that.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// Longest wait for an answer about lost positions.
const ANSWER: Duration = Duration::from_secs(5);
/// When there was none, they are asked again after that.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Reads a worker's partitions of a topic.
pub struct KafkaSource {
    config: KafkaConfig,
    consumer: Client,
    shared: Arc<Shared>,
    /// Began with the message that ended the batch before.
    carry: Option<Gathering>,
    /// When the brokers are to be asked which position is lost. That one is, the client says only once.
    lost: Option<Instant>,
    said: Option<(RDKafkaErrorCode, Instant)>,
    /// To be committed to the group.
    unsettled: Positions,
    committing: Arc<AtomicBool>,
    committed: Option<Instant>,
    bytes: u64,
    ended: bool,
}

impl KafkaSource {
    /// Opens the partitions p with p mod `workers` = `worker`. A partition begins at its position in `resume`, the first
    /// offset not read; positions of other workers' partitions are passed over.
    ///
    /// # Errors
    /// If a setting can't be used, no broker answers, the topic does not exist or may not be read, or a position is not
    /// in its partition.
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
        let watching = client(&config.watcher(), Context::default())?;
        let share = open::share(&config, &watching, worker, workers, resume)?;
        let committing = Arc::new(AtomicBool::new(false));
        let consumer = client(&config.reader(), Context { committing: Arc::clone(&committing) })?;
        let shared = Arc::new(Shared::default());
        let source = KafkaSource {
            consumer,
            shared: Arc::clone(&shared),
            carry: None,
            lost: None,
            said: None,
            unsettled: Positions::default(),
            committing,
            committed: None,
            bytes: 0,
            ended: false,
            config,
        };
        source.assign(&share.positions)?;
        let KafkaConfig { brokers, topic, .. } = source.config.clone();
        let watch = Watch { client: watching, brokers, topic, worker, workers, count: share.count, shared };
        watch.start().map_err(|error| SourceError::Thread {
            name: source.config.topic.clone(),
            what: format!("could not be started ({error})"),
        })?;
        Ok(source)
    }

    /// Records that had not been handed over when the ends were last asked for (twice a second), by partition; one that was
    /// not asked about yet is missing. The same figures keep being written to what this hands out, for another thread to read.
    pub fn lags(&self) -> Arc<Mutex<BTreeMap<PartitionId, i64>>> {
        Arc::clone(&self.shared.lags)
    }

    /// Reads these partitions too.
    fn assign(&self, positions: &Positions) -> Result<(), KafkaError> {
        if positions.is_empty() {
            return Ok(());
        }
        let offsets = positions.iter().map(|(partition, position)| (partition, exactly(position)));
        assignment(&self.config.topic, offsets)
            .and_then(|list| self.consumer.incremental_assign(&list))
            .map_err(|error| self.fatal(&error))?;
        for (partition, position) in positions.iter() {
            self.shared.begin(partition, position);
        }
        Ok(())
    }

    /// Reads these partitions no more.
    fn unassign(&self, partitions: &[PartitionId]) -> Result<(), KafkaError> {
        // Where they are unassigned makes no difference.
        assignment(&self.config.topic, partitions.iter().map(|partition| (*partition, exactly(Offset(0)))))
            .and_then(|list| self.consumer.incremental_unassign(&list))
            .map_err(|error| self.fatal(&error))
    }

    fn fatal(&self, error: &ClientError) -> KafkaError {
        KafkaError::Fatal { topic: self.config.topic.clone(), reason: error.to_string() }
    }

    fn step(&mut self, wait: Duration) -> Result<Next, KafkaError> {
        let begun = Instant::now();
        self.commit();
        loop {
            if let Some(next) = self.news()? {
                return Ok(next);
            }
            if self.lost.is_some_and(|ask| ask <= Instant::now()) {
                // Positions are true once what was taken is handed over.
                if let Some(batch) = self.carry.take().and_then(|carry| self.hand_over(carry)) {
                    return Ok(Next::Batch(batch));
                }
                self.find_lost()?;
            }
            let left = wait.saturating_sub(begun.elapsed());
            if let Some(batch) = self.gather(whole_millis(left).min(SLICE))? {
                return Ok(Next::Batch(batch));
            }
            if begun.elapsed() >= wait {
                return Ok(Next::Idle);
            }
        }
    }

    fn news(&mut self) -> Result<Option<Next>, KafkaError> {
        Ok(match self.shared.news() {
            None => None,
            Some(News::CaughtUp(partitions, at)) => Some(Next::CaughtUp { partitions, at }),
            Some(News::Opened(new)) => {
                self.assign(&new)?;
                Some(Next::Opened(new))
            }
        })
    }

    /// What has been fetched of one partition, up to a batch; waits only for the first message.
    fn gather(&mut self, wait: Duration) -> Result<Option<RawBatch>, KafkaError> {
        let mut gathering = self.carry.take();
        let limit = self.config.max_record_bytes;
        for _ in 0..MAX_RECORDS {
            let wait = if gathering.is_none() { wait } else { Duration::ZERO };
            let message = match self.consumer.poll(wait) {
                Some(Ok(message)) => message,
                Some(Err(trouble)) => {
                    self.note(&trouble)?;
                    break;
                }
                None => {
                    self.shared.found_nothing();
                    break;
                }
            };
            match &mut gathering {
                None => gathering = Some(Gathering::begin(&message, limit)),
                Some(same) if same.partition() == partition_of(&message) => same.take(&message),
                Some(_) => {
                    self.carry = Some(Gathering::begin(&message, limit));
                    break;
                }
            }
            if gathering.as_ref().is_some_and(Gathering::is_full) {
                break;
            }
        }
        Ok(gathering.and_then(|gathered| self.hand_over(gathered)))
    }

    fn hand_over(&mut self, gathered: Gathering) -> Option<RawBatch> {
        self.shared.reach(gathered.partition(), gathered.next());
        let batch = gathered.finish()?;
        self.bytes += batch.bytes.len() as u64;
        Some(batch)
    }

    /// Lost positions and fatal errors count; everything else the client gets over by itself.
    fn note(&mut self, trouble: &ClientError) -> Result<(), KafkaError> {
        match trouble {
            ClientError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.lost = Some(Instant::now());
            }
            ClientError::MessageConsumptionFatal(_) => return Err(self.fatal(trouble)),
            ClientError::MessageConsumption(code) => self.say(*code, trouble),
            _ => {}
        }
        Ok(())
    }

    /// The watcher tells of outages; other errors are said here, the same one once a minute.
    fn say(&mut self, code: RDKafkaErrorCode, trouble: &ClientError) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
        let topic = &self.config.topic;
        if matches!(code, AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve) {
            tracing::debug!(%topic, "{trouble}");
        } else if self.said.is_none_or(|(said, at)| said != code || at.elapsed() >= SAY_AGAIN) {
            tracing::warn!(%topic, "{trouble}; the Kafka client tries again");
            self.said = Some((code, Instant::now()));
        }
    }

    /// The client has stopped to read a partition because its position is out of range, and does not say which.
    fn find_lost(&mut self) -> Result<(), KafkaError> {
        let mut positions = self.positions();
        let partitions: Vec<PartitionId> = positions.partitions().collect();
        let Ok(lost) = open::outside(&self.config, &self.consumer, &partitions, &positions, ANSWER) else {
            self.lost = Some(Instant::now() + ASK_AGAIN);
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
        // All of them, so that none stays unread, whichever the client meant.
        self.unassign(&partitions)?;
        self.assign(&positions)
    }

    /// Commits what is settled, one commit at a time.
    fn commit(&mut self) {
        let waiting = self.committing.load(Ordering::Acquire)
            && self.committed.is_some_and(|committed| committed.elapsed() < COMMIT);
        if self.unsettled.is_empty() || waiting {
            return;
        }
        let positions = std::mem::take(&mut self.unsettled);
        let offsets = positions.into_iter().map(|(partition, position)| (partition, exactly(position)));
        self.committing.store(true, Ordering::Release);
        self.committed = Some(Instant::now());
        let result = assignment(&self.config.topic, offsets)
            .and_then(|list| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = result {
            self.committing.store(false, Ordering::Release);
            tracing::warn!(group = %self.config.group, "offsets could not be committed: {error}");
        }
    }
}

/// The same or a little more: a client waits for whole milliseconds, and what is left it spends asking again and again.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_micros().div_ceil(1_000) as u64)
}

impl EventSource for KafkaSource {
    /// Tombstones count as handed over.
    fn positions(&self) -> Positions {
        self.shared.positions()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if self.ended {
            return Ok(Next::End);
        }
        let next = self.step(wait);
        self.ended = next.is_err();
        Ok(next?)
    }

    fn settled(&mut self, positions: &Positions) {
        let mine = positions.iter().filter(|(partition, _)| self.shared.position(*partition).is_some());
        self.unsettled.extend(mine);
        self.commit();
    }

    fn progress(&self) -> Option<(u64, Option<u64>)> {
        Some((self.bytes, None))
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

fn client(config: &ClientConfig, context: Context) -> Result<Client, KafkaError> {
    config.create_with_context(context).map_err(KafkaError::client)
}
