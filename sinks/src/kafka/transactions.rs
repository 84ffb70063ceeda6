//! Triggers that are sent with their checkpoint: one transaction for all triggers of checkpoint `n` and for
//! `n` itself.
//!
//! `n` is stored as the committed offset of partition 0 of the topic, in the consumer group named like the
//! transactional id, in the same transaction as the triggers. Nothing consumes in that group.
//!
//! **Invariant**: a caller that publishes `n` if and only if `last_published` is below `n`, and opens the
//! transactions again after a crash or an error, delivers each trigger exactly once to consumers with
//! `isolation.level=read_committed`. Opening ends open transactions of an earlier process and fences that
//! process.
//!
//! **Limits**: a batch has to be written within `transaction.timeout.ms` (5 minutes unless set). Brokers
//! delete the stored number `offsets.retention.minutes` (7 days by default) after its last change, or with
//! the topic: a process that restarts later than that publishes the triggers of all checkpoints again whose
//! blobs are still listed.
//!
//! **Records that are too large**: brokers check the size of whole batches, and refuse a batch as a whole.
//! The triggers are then published again in smaller portions, until a record is refused by itself.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaError},
    producer::{Producer, ThreadedProducer},
    types::RDKafkaErrorCode,
};

use super::{
    attempt::{Deadline, Failure, SLICE, send_number},
    config::{KafkaSinkConfig, client_error},
    context::{Failures, Quiet},
    error::{KafkaSinkError, permanent},
    record,
};
use crate::trigger::Trigger;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Time that a portion has to be sent before the next one follows in any case.
const PORTION: Duration = Duration::from_secs(1);
/// Pause before a full queue is tried again.
const FULL: Duration = Duration::from_millis(10);

/// Sink that publishes batches of triggers, each exactly once.
pub struct KafkaTransactions {
    producer: ThreadedProducer<Failures>,
    marker: Arc<BaseConsumer<Quiet>>,
    topic: String,
    transactional_id: String,
    patience: Duration,
    last: Option<u64>,
    /// Whether the outcome of every transaction so far is known.
    certain: bool,
    /// Upper bound of the bytes sent together, if brokers refused more.
    together: Option<usize>,
}

impl KafkaTransactions {
    /// Creates the producer, fences earlier ones with the same id, waits for their transactions to be aborted
    /// or committed, and reads the last published number; blocks. The id belongs to one engine: start a new
    /// one together with new checkpoints.
    ///
    /// # Errors
    /// If a field or an option is invalid, or the brokers don't answer within `publish_timeout_ms`.
    pub fn open(config: &KafkaSinkConfig, transactional_id: &str) -> Result<Self, KafkaSinkError> {
        config.validate()?;
        if transactional_id.is_empty() {
            let reason = "is empty; write a name that only this engine has".to_owned();
            return Err(KafkaSinkError::Config { field: "transactional id".to_owned(), reason });
        }
        let producer = config.transactional(transactional_id).create_with_context(Failures::default());
        let mut transactions = KafkaTransactions {
            producer: producer.map_err(client_error)?,
            marker: Arc::new(
                config.marker(transactional_id).create_with_context(Quiet).map_err(client_error)?,
            ),
            topic: config.topic.clone(),
            transactional_id: transactional_id.to_owned(),
            patience: config.publish_timeout(),
            last: None,
            certain: true,
            together: None,
        };
        let deadline = Deadline::new(transactions.patience);
        let opened = transactions.again(&deadline, "opening", |producer| producer.init_transactions(SLICE));
        opened.map_err(|failure| transactions.report(failure, &deadline, "opening"))?;
        transactions.last = transactions.last_published()?;
        Ok(transactions)
    }

    /// Reads the number of the last published batch from the brokers; `None` before the first. Blocks.
    ///
    /// # Errors
    /// If the brokers don't answer within `publish_timeout_ms`, or refuse to.
    pub fn last_published(&self) -> Result<Option<u64>, KafkaSinkError> {
        let deadline = Deadline::new(self.patience);
        loop {
            let error = match self.committed() {
                Ok(offset) => return Ok(offset),
                Err(error) => error,
            };
            if let Some(code) = error.rdkafka_error_code()
                && let Some(remedy) = permanent(code)
            {
                return Err(self.refused(code, remedy));
            }
            if deadline.is_over() {
                return Err(deadline.unavailable("reading the last published number", error.to_string()));
            }
            // The return of a broker is not signalled, so the brokers are polled.
            thread::sleep(PAUSE);
        }
    }

    fn committed(&self) -> Result<Option<u64>, KafkaError> {
        let mut asked = TopicPartitionList::with_capacity(1);
        asked.add_partition(&self.topic, 0);
        let answer = self.marker.committed_offsets(asked, SLICE)?;
        let element = answer.find_partition(&self.topic, 0).ok_or(KafkaError::NoMessageReceived)?;
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(number) => u64::try_from(number).ok(),
            _ => None,
        })
    }

    /// Publishes the triggers of checkpoint `number`, all or none, and stores the number with them; blocks
    /// until the brokers have committed. Numbers ascend; gaps are allowed.
    ///
    /// # Errors
    /// [`Behind`](KafkaSinkError::Behind), [`TooLarge`](KafkaSinkError::TooLarge) and
    /// [`Refused`](KafkaSinkError::Refused): nothing was published, and another call may follow.
    /// [`Fenced`](KafkaSinkError::Fenced): another process publishes, this one has to stop. All others: open
    /// the transactions again, and publish again if `last_published` is below the number.
    pub fn publish(&mut self, number: u64, batch: &[Trigger]) -> Result<(), KafkaSinkError> {
        if !self.certain {
            return Err(KafkaSinkError::Reopen);
        }
        self.check_number(number)?;
        let deadline = Deadline::new(self.patience);
        self.certain = false;
        while let Err(failure) = self.transact(number, batch, &deadline) {
            if !matches!(failure, Failure::Doubt(_)) {
                self.abort(&deadline)?;
                // The transaction was aborted, so the outcome is known.
                self.certain = true;
            }
            // A record's own failure is more specific than the transaction's.
            let failed = self.producer.context().take();
            let failure = match failure {
                Failure::Abort { last, code } => Failure::Abort { last, code: failed.code.or(code) },
                other => other,
            };
            match failure {
                Failure::Abort { last, code: Some(RDKafkaErrorCode::MessageSizeTooLarge) }
                    if !deadline.is_over() =>
                {
                    self.divide(batch, &failed.large)?;
                    let together = self.together;
                    tracing::warn!(number, reason = last, together, "records go in smaller portions");
                    self.certain = false;
                }
                Failure::Abort { last, code }
                    if code.and_then(permanent).is_none() && !deadline.is_over() =>
                {
                    tracing::warn!(number, reason = last, "a transaction was aborted; it is tried again");
                    self.certain = false;
                    // The cause of the broker's abort (mostly a fail-over) is transient and not reported.
                    thread::sleep(PAUSE);
                }
                failure => return Err(self.report(failure, &deadline, "publishing")),
            }
        }
        self.certain = true;
        self.last = Some(number);
        Ok(())
    }

    /// Lowers the bound of bytes sent together, after `refused` records were too large.
    ///
    /// # Errors
    /// If a single record was refused: the topic does not accept it.
    fn divide(&mut self, batch: &[Trigger], refused: &[usize]) -> Result<(), KafkaSinkError> {
        let refused: Vec<&Trigger> = refused.iter().filter_map(|place| batch.get(*place)).collect();
        if let [trigger] = refused[..] {
            // The other records are not too large because of this one.
            self.together = None;
            return Err(KafkaSinkError::TooLarge { trigger: Box::new(trigger.clone()) });
        }
        let bytes = refused.into_iter().map(Trigger::bytes).sum::<usize>();
        self.together = Some(self.together.map_or(bytes, |before| before.min(bytes)) / 2);
        Ok(())
    }

    fn check_number(&self, number: u64) -> Result<(), KafkaSinkError> {
        match self.last {
            Some(last) if number <= last => {
                Err(KafkaSinkError::Behind { number, last, transactional_id: self.transactional_id.clone() })
            }
            _ if i64::try_from(number).is_err() => Err(KafkaSinkError::Config {
                field: "the number".to_owned(),
                reason: format!("{number} is above {}, the last that can be stored", i64::MAX),
            }),
            _ => Ok(()),
        }
    }

    /// Runs one transaction, from its beginning to its commit.
    fn transact(&self, number: u64, batch: &[Trigger], deadline: &Deadline) -> Result<(), Failure> {
        // Discards failures of an aborted attempt.
        let _ = self.producer.context().take();
        self.again(deadline, "beginning", Producer::begin_transaction)?;
        let mut together = 0;
        for (place, trigger) in batch.iter().enumerate() {
            if self.together.is_some_and(|most| together > 0 && together + trigger.bytes() > most) {
                self.part(deadline)?;
                together = 0;
            }
            self.enqueue(place, trigger, deadline)?;
            together += trigger.bytes();
        }
        self.record_number(number, deadline)?;
        match self.again(deadline, "committing", |producer| producer.commit_transaction(SLICE)) {
            // A requested commit may still take effect.
            Err(Failure::Abort { last, code: None }) => {
                Err(Failure::Doubt(deadline.unavailable("committing", last)))
            }
            other => other,
        }
    }

    /// Adds the number to the transaction.
    ///
    /// The call runs in a thread of its own: the client does not keep its timeout while the group's
    /// coordinator is away. A blocked call is abandoned together with its client; it ends when the
    /// coordinator is back, and by then the producer that was opened instead has fenced it.
    fn record_number(&self, number: u64, deadline: &Deadline) -> Result<(), Failure> {
        const WHAT: &str = "recording the number";
        loop {
            let (answer, answered) = mpsc::sync_channel(1);
            let (producer, marker) = (self.producer.clone(), Arc::clone(&self.marker));
            let topic = self.topic.clone();
            let call = move || {
                // The receiver may be gone.
                let _ = answer.send(send_number(&producer, &marker, &topic, number));
            };
            thread::Builder::new()
                .name("kafka-number".to_owned())
                .spawn(call)
                .map_err(|error| Failure::Doubt(KafkaSinkError::Fatal(format!("{WHAT}: {error}"))))?;
            let wait = deadline.left().max(SLICE) + PAUSE;
            let Ok(answer) = answered.recv_timeout(wait) else {
                let stuck = "the group's coordinator does not answer".to_owned();
                return Err(Failure::Doubt(deadline.unavailable(WHAT, stuck)));
            };
            let Err(error) = answer else { return Ok(()) };
            self.judge(error, WHAT, deadline)?;
        }
    }

    /// Queues one trigger; blocks while the queue is full.
    fn enqueue(&self, place: usize, trigger: &Trigger, deadline: &Deadline) -> Result<(), Failure> {
        loop {
            let Err((error, _)) = self.producer.send(record(&self.topic, trigger, place)) else {
                return Ok(());
            };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) if deadline.is_over() => {
                    return Err(Failure::Abort { last: error.to_string(), code: None });
                }
                Some(RDKafkaErrorCode::QueueFull) => self.producer.poll(FULL),
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let trigger = Box::new(trigger.clone());
                    return Err(Failure::Never(KafkaSinkError::TooLarge { trigger }));
                }
                // The transaction has failed meanwhile; aborting shows whether the client has failed as well.
                code => return Err(Failure::Abort { last: error.to_string(), code }),
            }
        }
    }

    /// Waits until the queued records are sent, so that the brokers do not receive them in one batch with
    /// those that follow. The wait is bounded by `PORTION`, since what is still too large together is
    /// refused again.
    fn part(&self, deadline: &Deadline) -> Result<(), Failure> {
        let portion = Deadline::new(PORTION);
        while let Err(error) = self.producer.flush(PAUSE) {
            // After the transaction has failed, the rest of it is never sent.
            if self.producer.context().is_any() || deadline.is_over() {
                return Err(Failure::Abort { last: error.to_string(), code: None });
            }
            if portion.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Aborts the transaction; consumers see none of it.
    fn abort(&self, deadline: &Deadline) -> Result<(), KafkaSinkError> {
        // Tried even after the deadline, as a client that can abort immediately may do so.
        let aborted = self.again(deadline, "aborting", |producer| producer.abort_transaction(SLICE));
        aborted.map_err(|failure| self.report(failure, deadline, "aborting"))
    }

    /// Repeats a call while its error is retriable; makes it at least once.
    fn again(
        &self,
        deadline: &Deadline,
        what: &'static str,
        call: impl Fn(&ThreadedProducer<Failures>) -> Result<(), KafkaError>,
    ) -> Result<(), Failure> {
        loop {
            let Err(error) = call(&self.producer) else { return Ok(()) };
            self.judge(error, what, deadline)?;
        }
    }

    /// Pauses after a retriable error; returns the failure for all others.
    fn judge(&self, error: KafkaError, what: &'static str, deadline: &Deadline) -> Result<(), Failure> {
        let last = error.to_string();
        match error {
            KafkaError::Transaction(error) if self.is_fenced(&error) => {
                let transactional_id = self.transactional_id.clone();
                return Err(Failure::Doubt(KafkaSinkError::Fenced { transactional_id }));
            }
            KafkaError::Transaction(error) if error.txn_requires_abort() => {
                return Err(Failure::Abort { last, code: Some(error.code()) });
            }
            KafkaError::Transaction(error) if !error.is_fatal() && error.is_retriable() => {}
            // The phase of a commit that waits for acknowledgements.
            KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => {}
            _ => return Err(Failure::Doubt(KafkaSinkError::Fatal(format!("{what}: {last}")))),
        }
        if deadline.is_over() {
            return Err(Failure::Abort { last: format!("{what}: {last}"), code: None });
        }
        // The client reports that a retry may succeed, but not when.
        thread::sleep(PAUSE);
        Ok(())
    }

    fn is_fenced(&self, error: &RDKafkaError) -> bool {
        let fenced = |code| {
            matches!(
                code,
                RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::ProducerFenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
            )
        };
        // After a fatal error the client fails every call alike; its first cause is stored separately.
        let cause = || self.producer.client().fatal_error().is_some_and(|(code, _)| fenced(code));
        error.is_fatal() && (fenced(error.code()) || cause())
    }

    fn refused(&self, code: RDKafkaErrorCode, remedy: &str) -> KafkaSinkError {
        KafkaSinkError::Refused { topic: self.topic.clone(), reason: format!("{remedy} ({code})") }
    }

    /// Converts a failure into the caller's error.
    fn report(&self, failure: Failure, deadline: &Deadline, what: &'static str) -> KafkaSinkError {
        match failure {
            Failure::Never(error) | Failure::Doubt(error) => error,
            Failure::Abort { last, code } => match code.and_then(|code| permanent(code).map(|r| (code, r))) {
                Some((code, remedy)) => self.refused(code, remedy),
                None => deadline.unavailable(what, last),
            },
        }
    }
}
