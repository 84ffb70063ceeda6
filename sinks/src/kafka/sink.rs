//! Triggers that leave at once: an idempotent producer.
//!
//! **Invariants**: a record is never given up while the brokers are away; no record is written twice by one sink, and those
//! of one key stay in order; a number is settled only once all replicas in sync have the record, or if it is left out: one
//! that the brokers refuse as too large by itself is told in the log and counted as failed. **Limits**: a record that the
//! brokers refuse for good otherwise (no topic, no rights) fails the sink: `settled` stays below it, and [`KafkaSink::check`]
//! and every later `send` say why. What was refused in one batch with a record that is too large is sent again, by itself and
//! behind later ones. So is every record of a batch that is above the topic's `max.message.bytes` as a whole: set
//! `batch.size` in `options` no higher than that.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use rdkafka::{
    error::KafkaError,
    producer::{Producer, ThreadedProducer},
    types::RDKafkaErrorCode,
};

use super::{
    alone,
    config::{KafkaSinkConfig, client_error},
    context::{Acknowledgements, Shared, State},
    error::{KafkaSinkError, permanent},
    record,
};
use crate::outgoing::{Outgoing, Sent};

/// Figures of a Kafka sink since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaStats {
    /// Triggers accepted and not yet acknowledged.
    pub queued: u64,
    /// Triggers acknowledged.
    pub delivered: u64,
    /// Triggers refused for good, those that are left out included.
    pub failed: u64,
}

/// Produces triggers. Dropping it leaves unsettled what is still queued; [`KafkaSink::flush`] first.
pub struct KafkaSink {
    producer: ThreadedProducer<Acknowledgements>,
    shared: Arc<Shared>,
    topic: String,
    queue: u64,
}

impl KafkaSink {
    /// Checks the configuration and makes the producer. The brokers need not be up.
    ///
    /// # Errors
    /// If a field or an option can't be used.
    pub fn start(config: &KafkaSinkConfig) -> Result<Self, KafkaSinkError> {
        config.validate()?;
        let shared = Arc::default();
        let (refused, from) = mpsc::channel();
        let acknowledgements = Acknowledgements::first(&shared, refused);
        let producer = config.immediate().create_with_context(acknowledgements);
        let producer = producer.map_err(client_error)?;
        alone::start(config, &shared, from)?;
        Ok(KafkaSink { producer, shared, topic: config.topic.clone(), queue: u64::from(config.queue) })
    }

    /// Queues a trigger; never waits. A full queue hands it back: the caller holds its input back and sends it again,
    /// before any later one, once [`KafkaSink::wait_room`] says so.
    ///
    /// # Errors
    /// If this trigger is too large (the sink goes on), or if an earlier one was refused for good (it does not).
    pub fn send(&self, outgoing: Outgoing) -> Result<Sent, KafkaSinkError> {
        // Held over the call, so that numbers are given in the order of the queue.
        let mut state = self.shared.state();
        self.look(&state)?;
        if state.alone >= self.queue {
            return Ok(Sent::Full(outgoing));
        }
        let number = state.progress.accepted() + 1;
        let failed = match self.producer.send(record(&self.topic, &outgoing, number as usize)) {
            Ok(()) => return Ok(Sent::Accepted(state.progress.accept())),
            Err((error, _)) => error,
        };
        match failed {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => Ok(Sent::Full(outgoing)),
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                Err(KafkaSinkError::TooLarge { outgoing: Box::new(outgoing) })
            }
            KafkaError::MessageProduction(code) if permanent(code).is_some() => Err(self.refused(code)),
            other => Err(KafkaSinkError::Fatal(self.reason(&other))),
        }
    }

    /// Waits until a full queue has become shorter, or the sink has failed; `false` if it takes longer than `longest`.
    #[must_use]
    pub fn wait_room(&self, longest: Duration) -> bool {
        let settled = self.shared.state().delivered;
        self.shared.wait_for(longest, |state| {
            let open = state.progress.open();
            state.delivered != settled || open == 0 || open < self.queue / 2 || state.failure.is_some()
        })
    }

    /// The last sequence number given, 0 before the first.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.state().progress.accepted()
    }

    /// All triggers up to this sequence number are acknowledged or left out: the offsets behind them may be committed.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.shared.state().progress.settled()
    }

    /// Waits until everything up to `sequence` is settled; `Ok(false)` if it takes longer than `longest`.
    ///
    /// # Errors
    /// If a trigger was refused for good.
    pub fn wait_settled(&self, sequence: u64, longest: Duration) -> Result<bool, KafkaSinkError> {
        let settled = |state: &State| state.progress.settled() >= sequence;
        self.shared.wait_for(longest, |state| state.failure.is_some() || settled(state));
        let state = self.shared.state();
        if settled(&state) {
            return Ok(true);
        }
        self.look(&state)?;
        Ok(false)
    }

    /// Waits until everything accepted so far is settled; `Ok(false)` if it takes longer than `longest`.
    ///
    /// # Errors
    /// If a trigger was refused for good.
    pub fn flush(&self, longest: Duration) -> Result<bool, KafkaSinkError> {
        self.wait_settled(self.accepted(), longest)
    }

    /// Figures since the start.
    #[must_use]
    pub fn stats(&self) -> KafkaStats {
        let state = self.shared.state();
        // A failed record stays open in the count of progress, as its number is never settled.
        let queued = state.progress.open().saturating_sub(state.failed);
        KafkaStats { queued, delivered: state.delivered, failed: state.failed + state.left_out }
    }

    /// Whether the sink goes on.
    ///
    /// # Errors
    /// If a trigger was refused for good.
    pub fn check(&self) -> Result<(), KafkaSinkError> {
        self.look(&self.shared.state())
    }

    fn look(&self, state: &State) -> Result<(), KafkaSinkError> {
        state.failure.map_or(Ok(()), |code| Err(self.refused(code)))
    }

    fn refused(&self, code: RDKafkaErrorCode) -> KafkaSinkError {
        match permanent(code) {
            Some(remedy) => {
                KafkaSinkError::Refused { topic: self.topic.clone(), reason: format!("{remedy} ({code})") }
            }
            None => KafkaSinkError::Fatal(self.reason(&KafkaError::MessageProduction(code))),
        }
    }

    /// The error, and what the client gave up for, if it did.
    fn reason(&self, error: &KafkaError) -> String {
        match self.producer.client().fatal_error() {
            Some((code, reason)) => format!("{error}; {code}: {reason}"),
            None => error.to_string(),
        }
    }
}
