//! Triggers that leave with their checkpoint: one transaction for all triggers of checkpoint `n` and for `n` itself.
//!
//! `n` is stored as the offset that the consumer group named like the transactional id has committed for partition 0 of the
//! topic, in the same transaction as the triggers. Nobody consumes in that group.
//!
//! **Invariant**: whoever publishes `n` if and only if `last_published` is below `n`, and opens the transactions again after
//! a crash or an error, gives each trigger exactly once to consumers with `isolation.level=read_committed`. Opening ends
//! whatever an earlier process left open and locks that process out.
//!
//! **Limits**: a batch has to be written within `transaction.timeout.ms` (5 minutes unless set). Brokers forget the stored
//! number `offsets.retention.minutes` (7 days by default) after its last change, or with the topic: a process that comes back
//! later than that publishes the triggers of all checkpoints again whose blobs are still listed.
//!
//! **Records that are too large**: brokers judge records by the batches that they come in, and refuse one as a whole. The batch is then
//! published again in smaller portions, until a record is refused by itself.

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

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a portion has to leave before the next follows it nevertheless.
const PORTION: Duration = Duration::from_secs(1);
/// Between two looks at a full queue.
const FULL: Duration = Duration::from_millis(10);

/// Publishes batches of triggers, each exactly once.
pub struct KafkaTransactions {
    producer: ThreadedProducer<Failures>,
    marker: Arc<BaseConsumer<Quiet>>,
    topic: String,
    transactional_id: String,
    patience: Duration,
    last: Option<u64>,
    /// No call has left a transaction in doubt.
    certain: bool,
    /// How many bytes are sent together at most, if brokers refused more.
    together: Option<usize>,
}

impl KafkaTransactions {
    /// Makes the producer, locks out earlier ones with the same id, waits for what they left to be aborted or committed,
    /// and reads the last published number. The id is one engine's own: its checkpoints and it begin anew together.
    ///
    /// # Errors
    /// If a field or option can't be used, or the brokers don't answer within `publish_timeout_ms`.
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

    /// The number of the last batch that was published, as the brokers have it.
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
            // A broker that is away tells nobody when it is back; so it is at every pause here.
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

    /// Publishes the triggers of checkpoint `number`, all or none, and records the number with them; waits for the brokers.
    /// Numbers rise; they may leave gaps.
    ///
    /// # Errors
    /// [`Behind`](KafkaSinkError::Behind), [`TooLarge`](KafkaSinkError::TooLarge) and
    /// [`Refused`](KafkaSinkError::Refused): nothing was published, and another call may follow.
    /// [`Fenced`](KafkaSinkError::Fenced): another process publishes, this one has to stop. All others: open the
    /// transactions again, and publish again if `last_published` is below the number.
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
                // From here nothing is in doubt: the transaction is gone.
                self.certain = true;
            }
            // A record's own failure says more than what the transaction makes of it.
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
                    // What made the broker give it up (a fail-over, mostly) passes without a word.
                    thread::sleep(PAUSE);
                }
                failure => return Err(self.report(failure, &deadline, "publishing")),
            }
        }
        self.certain = true;
        self.last = Some(number);
        Ok(())
    }

    /// Has less sent together than what was refused as too large.
    ///
    /// # Errors
    /// If it was one record: the topic does not take it.
    fn divide(&mut self, batch: &[Trigger], refused: &[usize]) -> Result<(), KafkaSinkError> {
        let refused: Vec<&Trigger> = refused.iter().filter_map(|place| batch.get(*place)).collect();
        if let [trigger] = refused[..] {
            // The others are not too large because of this one.
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

    /// One transaction, from its beginning to its commit.
    fn transact(&self, number: u64, batch: &[Trigger], deadline: &Deadline) -> Result<(), Failure> {
        // What is left of an aborted attempt.
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
            // A commit that was asked for may still come about.
            Err(Failure::Abort { last, code: None }) => {
                Err(Failure::Doubt(deadline.unavailable("committing", last)))
            }
            other => other,
        }
    }

    /// Makes the number part of the transaction.
    ///
    /// The call has a thread of its own: the client does not keep its timeout while the group's coordinator is away. A call
    /// that is stuck is left behind with its client; it ends when the coordinator is back, and by then the producer that
    /// was opened instead has locked it out.
    fn record_number(&self, number: u64, deadline: &Deadline) -> Result<(), Failure> {
        const WHAT: &str = "recording the number";
        loop {
            let (answer, answered) = mpsc::sync_channel(1);
            let (producer, marker) = (self.producer.clone(), Arc::clone(&self.marker));
            let topic = self.topic.clone();
            let call = move || {
                // Nobody may be waiting any more.
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

    /// Queues one trigger, waiting for room.
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
                // The transaction has failed meanwhile; the abort tells whether the client has, too.
                code => return Err(Failure::Abort { last: error.to_string(), code }),
            }
        }
    }

    /// Waits until what is queued has left, so that the brokers do not get it together with what follows; not for long, as what is too
    /// large together is refused again.
    fn part(&self, deadline: &Deadline) -> Result<(), Failure> {
        let portion = Deadline::new(PORTION);
        while let Err(error) = self.producer.flush(PAUSE) {
            // The rest of a transaction that has failed never leaves.
            if self.producer.context().is_any() || deadline.is_over() {
                return Err(Failure::Abort { last: error.to_string(), code: None });
            }
            if portion.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Ends the transaction without a trace for consumers.
    fn abort(&self, deadline: &Deadline) -> Result<(), KafkaSinkError> {
        // Also after the deadline a client that can abort at once may do so.
        let aborted = self.again(deadline, "aborting", |producer| producer.abort_transaction(SLICE));
        aborted.map_err(|failure| self.report(failure, deadline, "aborting"))
    }

    /// Repeats a call as long as its error says so, once at least.
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

    /// Waits a moment where another call is called for, and fails where not.
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
            // The part of a commit that waits for acknowledgements.
            KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut) => {}
            _ => return Err(Failure::Doubt(KafkaSinkError::Fatal(format!("{what}: {last}")))),
        }
        if deadline.is_over() {
            return Err(Failure::Abort { last: format!("{what}: {last}"), code: None });
        }
        // The client says that another call may do it, and not when.
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
        // A client at its end answers every call alike; the first cause is kept apart.
        let cause = || self.producer.client().fatal_error().is_some_and(|(code, _)| fenced(code));
        error.is_fatal() && (fenced(error.code()) || cause())
    }

    fn refused(&self, code: RDKafkaErrorCode, remedy: &str) -> KafkaSinkError {
        KafkaSinkError::Refused { topic: self.topic.clone(), reason: format!("{remedy} ({code})") }
    }

    /// The error for the caller.
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
