//! The client of a transaction: calls that are repeated until a deadline, with their failures classified.

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
    attempt::{Deadline, Failure},
    config::{KafkaSinkConfig, client_error},
    context::{Failed, Failures, Quiet},
    error::{KafkaSinkError, permanent},
    record,
};
use crate::trigger::Trigger;

/// Pause between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// Longest duration of one call into librdkafka; calls are repeated, so that the deadline is kept.
const SLICE: Duration = Duration::from_secs(5);
/// Time that a portion has to be sent before the next one follows in any case.
const PORTION: Duration = Duration::from_secs(1);
/// Pause before a full queue is tried again.
const FULL: Duration = Duration::from_millis(10);

/// A transactional producer, and the consumer group that stores its number.
pub(super) struct TransactionalClient {
    producer: ThreadedProducer<Failures>,
    marker: Arc<BaseConsumer<Quiet>>,
    topic: String,
    transactional_id: String,
}

impl TransactionalClient {
    /// Creates the clients, without connecting.
    pub(super) fn new(config: &KafkaSinkConfig, transactional_id: &str) -> Result<Self, KafkaSinkError> {
        let producer = config.transactional(transactional_id).create_with_context(Failures::default());
        let marker = config.marker(transactional_id).create_with_context(Quiet);
        Ok(TransactionalClient {
            producer: producer.map_err(client_error)?,
            marker: Arc::new(marker.map_err(client_error)?),
            topic: config.topic.clone(),
            transactional_id: transactional_id.to_owned(),
        })
    }

    /// Fences earlier producers with the same id, and waits for the end of their transactions.
    pub(super) fn init(&self, deadline: &Deadline) -> Result<(), KafkaSinkError> {
        let opened = self.again(deadline, "opening", |producer| producer.init_transactions(SLICE));
        opened.map_err(|failure| self.report(failure, deadline, "opening"))
    }

    /// Number that the brokers have stored last; `None` before the first.
    pub(super) fn committed(&self) -> Result<Option<u64>, KafkaError> {
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

    /// Begins a transaction.
    pub(super) fn begin(&self, deadline: &Deadline) -> Result<(), Failure> {
        // Discards failures of an aborted attempt.
        let _ = self.take_failed();
        self.again(deadline, "beginning", Producer::begin_transaction)
    }

    /// Takes the failed records since the last call.
    pub(super) fn take_failed(&self) -> Failed {
        self.producer.context().take()
    }

    /// Queues one trigger; blocks while the queue is full.
    pub(super) fn enqueue(
        &self,
        place: usize,
        trigger: &Trigger,
        deadline: &Deadline,
    ) -> Result<(), Failure> {
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
    pub(super) fn finish_portion(&self, deadline: &Deadline) -> Result<(), Failure> {
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

    /// Adds the number to the transaction.
    ///
    /// The call runs in a thread of its own: the client does not keep its timeout while the group's
    /// coordinator is away. A blocked call is abandoned together with its client; it ends when the
    /// coordinator is back, and by then the producer that was opened instead has fenced it.
    pub(super) fn record_number(&self, number: u64, deadline: &Deadline) -> Result<(), Failure> {
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

    /// Commits the transaction.
    pub(super) fn commit(&self, deadline: &Deadline) -> Result<(), Failure> {
        match self.again(deadline, "committing", |producer| producer.commit_transaction(SLICE)) {
            // A requested commit may still take effect.
            Err(Failure::Abort { last, code: None }) => {
                Err(Failure::Doubt(deadline.unavailable("committing", last)))
            }
            other => other,
        }
    }

    /// Aborts the transaction; consumers see none of it.
    pub(super) fn abort(&self, deadline: &Deadline) -> Result<(), KafkaSinkError> {
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

    /// Error for a code that no retry resolves.
    pub(super) fn refused(&self, code: RDKafkaErrorCode, remedy: &str) -> KafkaSinkError {
        KafkaSinkError::Refused { topic: self.topic.clone(), reason: format!("{remedy} ({code})") }
    }

    /// Converts a failure into the caller's error.
    pub(super) fn report(&self, failure: Failure, deadline: &Deadline, what: &'static str) -> KafkaSinkError {
        match failure {
            Failure::Never(error) | Failure::Doubt(error) => error,
            Failure::Abort { last, code } => match code.and_then(|code| permanent(code).map(|r| (code, r))) {
                Some((code, remedy)) => self.refused(code, remedy),
                None => deadline.unavailable(what, last),
            },
        }
    }
}

/// Adds the checkpoint number to the transaction, as the offset of partition 0.
fn send_number(
    producer: &ThreadedProducer<Failures>,
    marker: &BaseConsumer<Quiet>,
    topic: &str,
    number: u64,
) -> Result<(), KafkaError> {
    let offset = i64::try_from(number).unwrap_or(i64::MAX);
    let mut offsets = TopicPartitionList::with_capacity(1);
    offsets.add_partition_offset(topic, 0, Offset::Offset(offset))?;
    let group = marker.group_metadata().ok_or(KafkaError::Canceled)?;
    producer.send_offsets_to_transaction(&offsets, &group, SLICE)
}
