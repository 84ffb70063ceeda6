//! Triggers that are sent with their checkpoint: one transaction for all triggers of checkpoint `n` and for
//! `n` itself.
//!
//! `n` is stored as the committed offset of partition 0 of the topic, in the consumer group named like the
//! transactional id, in the same transaction as the triggers. Nothing consumes in that group.
//!
//! **Invariants**: those of [`TransactionalSink`], for consumers with `isolation.level=read_committed`.
//!
//! **Limits**: a batch has to be written within `transaction.timeout.ms` (5 minutes unless set). Brokers
//! delete the stored number `offsets.retention.minutes` (7 days by default) after its last change, or with
//! the topic: a process that restarts later than that publishes the triggers of all checkpoints again whose
//! blobs are still listed.
//!
//! **Records that are too large**: brokers check the size of whole batches, and refuse a batch as a whole.
//! The triggers are then published again in smaller portions, until a record is refused by itself.

use std::{thread, time::Duration};

use operators::model::ids::CheckpointNumber;
use rdkafka::types::RDKafkaErrorCode;

use super::{
    attempt::{Deadline, Failure},
    client::{PAUSE, TransactionalClient},
    config::KafkaSinkConfig,
    error::{KafkaSinkError, permanent},
};
use crate::{
    transactional_sink::{TransactionError, TransactionalSink},
    trigger::Trigger,
};

/// Transactional sink of a topic.
pub struct KafkaTransactions {
    client: TransactionalClient,
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
        let mut transactions = KafkaTransactions {
            client: TransactionalClient::new(config, transactional_id)?,
            transactional_id: transactional_id.to_owned(),
            patience: config.publish_timeout(),
            last: None,
            certain: true,
            together: None,
        };
        transactions.client.init(&Deadline::new(transactions.patience))?;
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
            let error = match self.client.committed() {
                Ok(offset) => return Ok(offset),
                Err(error) => error,
            };
            if let Some(code) = error.rdkafka_error_code()
                && let Some(remedy) = permanent(code)
            {
                return Err(self.client.refused(code, remedy));
            }
            if deadline.is_over() {
                return Err(deadline.unavailable("reading the last published number", error.to_string()));
            }
            // The return of a broker is not signalled, so the brokers are polled.
            thread::sleep(PAUSE);
        }
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
            self.end_attempt(number, failure, batch, &deadline)?;
            self.certain = false;
        }
        self.certain = true;
        self.last = Some(number);
        Ok(())
    }

    /// Aborts the transaction of a failed attempt, and pauses or lowers the bound of bytes sent together, so
    /// that another attempt may follow.
    ///
    /// # Errors
    /// If no attempt would succeed, or none may be made, or the deadline is over.
    fn end_attempt(
        &mut self,
        number: u64,
        failure: Failure,
        batch: &[Trigger],
        deadline: &Deadline,
    ) -> Result<(), KafkaSinkError> {
        if !matches!(failure, Failure::Doubt(_)) {
            self.client.abort(deadline)?;
            // The transaction was aborted, so the outcome is known.
            self.certain = true;
        }
        // A record's own failure is more specific than the transaction's.
        let failed = self.client.take_failed();
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
            }
            Failure::Abort { last, code } if code.and_then(permanent).is_none() && !deadline.is_over() => {
                tracing::warn!(number, reason = last, "a transaction was aborted; it is tried again");
                // The cause of the broker's abort (mostly a fail-over) is transient and not reported.
                thread::sleep(PAUSE);
            }
            failure => return Err(self.client.report(failure, deadline, "publishing")),
        }
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
        self.client.begin(deadline)?;
        let mut together = 0;
        for (place, trigger) in batch.iter().enumerate() {
            if self.together.is_some_and(|most| together > 0 && together + trigger.bytes() > most) {
                self.client.finish_portion(deadline)?;
                together = 0;
            }
            self.client.enqueue(place, trigger, deadline)?;
            together += trigger.bytes();
        }
        self.client.record_number(number, deadline)?;
        self.client.commit(deadline)
    }
}

impl TransactionalSink for KafkaTransactions {
    fn last_published(&self) -> Result<Option<CheckpointNumber>, TransactionError> {
        Ok(self.last_published()?.map(CheckpointNumber))
    }

    fn publish(&mut self, number: CheckpointNumber, batch: &[Trigger]) -> Result<(), TransactionError> {
        Ok(self.publish(number.0, batch)?)
    }
}
