//! Sink for triggers that are sent immediately, by an idempotent producer.
//!
//! **Invariants**: a record is never given up while the brokers are away; one sink writes no record twice,
//! and keeps those of one key in order; a trigger is acknowledged only once all replicas in sync have its
//! record, or if it is left out: a record that the brokers refuse as too large in a batch of its own is
//! logged and counted as failed.
//!
//! **Limits**: a record that the brokers refuse permanently for another reason (no topic, no permission)
//! fails the sink, and so does a client that has lost all brokers though they answer others, half a minute
//! after that: `acknowledged` stays below it, and [`check`](TriggerSink::check) and every later `send`
//! return the reason. Records that are refused in one batch with one that is too large are sent again one by
//! one, after later ones. So is every record of a batch that exceeds the topic's `max.message.bytes` as a
//! whole: set `batch.size` in `options` no higher than that.

use std::{
    convert::Infallible,
    sync::{Arc, mpsc},
};

use rdkafka::{
    error::KafkaError,
    producer::{Producer, ThreadedProducer},
    types::RDKafkaErrorCode,
};

use super::{
    config::{KafkaSinkConfig, client_error},
    context::{Acknowledgements, Counts, Ledger},
    error::{KafkaSinkError, permanent},
    lost_client, record, single,
};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Sink that sends triggers immediately. Dropping it leaves what is still queued unacknowledged.
pub struct KafkaSink {
    producer: ThreadedProducer<Acknowledgements>,
    ledger: Arc<Ledger>,
    topic: String,
    /// Upper bound of records that are sent again one by one; the client bounds the others.
    queue: u64,
    /// Dropped with the sink, which ends the thread that watches the client.
    _watched: mpsc::Sender<Infallible>,
}

impl KafkaSink {
    /// Checks the configuration and creates the producer. The brokers need not be up.
    ///
    /// # Errors
    /// If a field or an option is invalid.
    pub fn start(config: &KafkaSinkConfig) -> Result<Self, KafkaSinkError> {
        config.validate()?;
        let ledger = Arc::default();
        let (oversized, from) = mpsc::channel();
        let acknowledgements = Acknowledgements::first(&ledger, oversized);
        let producer: ThreadedProducer<_> =
            config.immediate().create_with_context(acknowledgements).map_err(client_error)?;
        single::start(config, &ledger, from)?;
        let (watched, ended) = mpsc::channel();
        lost_client::watch(config, &ledger, producer.clone(), ended)?;
        let (topic, queue) = (config.topic.clone(), u64::from(config.queue));
        Ok(KafkaSink { producer, ledger, topic, queue, _watched: watched })
    }

    fn try_send(&self, trigger: &Trigger) -> Result<Sent, KafkaSinkError> {
        // Locked over the call, so that numbers are assigned in the order of the client's queue.
        let mut counts = self.ledger.counts();
        self.check_failure(&counts)?;
        if counts.singles >= self.queue {
            return Ok(Sent::Full);
        }
        let number = counts.progress.accepted() + 1;
        let failed = match self.producer.send(record(&self.topic, trigger, number as usize)) {
            Ok(()) => return Ok(Sent::Accepted(counts.progress.accept())),
            Err((error, _)) => error,
        };
        match failed {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => Ok(Sent::Full),
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                counts.left_out += 1;
                let too_large = KafkaSinkError::TooLarge { trigger: Box::new(trigger.clone()) };
                Ok(Sent::Refused(too_large.to_string()))
            }
            KafkaError::MessageProduction(code) if permanent(code).is_some() => Err(self.refused(code)),
            other => Err(KafkaSinkError::Fatal(self.reason(&other))),
        }
    }

    fn check_failure(&self, counts: &Counts) -> Result<(), KafkaSinkError> {
        counts.failure.map_or(Ok(()), |code| Err(self.refused(code)))
    }

    fn refused(&self, code: RDKafkaErrorCode) -> KafkaSinkError {
        match permanent(code) {
            Some(remedy) => {
                KafkaSinkError::Refused { topic: self.topic.clone(), reason: format!("{remedy} ({code})") }
            }
            None => KafkaSinkError::Fatal(self.reason(&KafkaError::MessageProduction(code))),
        }
    }

    /// Text of the error, with the client's fatal error if it has one.
    fn reason(&self, error: &KafkaError) -> String {
        match self.producer.client().fatal_error() {
            Some((code, reason)) => format!("{error}; {code}: {reason}"),
            None => error.to_string(),
        }
    }
}

impl TriggerSink for KafkaSink {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
        Ok(self.try_send(trigger)?)
    }

    fn accepted(&self) -> u64 {
        self.ledger.counts().progress.accepted()
    }

    fn acknowledged(&self) -> u64 {
        self.ledger.counts().progress.acknowledged()
    }

    fn stats(&self) -> SinkStats {
        let counts = self.ledger.counts();
        SinkStats {
            // The number of a failed record is never acknowledged.
            queued: counts.progress.open().saturating_sub(counts.failed),
            delivered: counts.delivered,
            failed: counts.failed + counts.left_out,
            ..SinkStats::default()
        }
    }

    fn check(&self) -> Result<(), TriggerSinkError> {
        Ok(self.check_failure(&self.ledger.counts())?)
    }
}
