//! Callbacks of librdkafka's threads: acknowledgements, errors, log lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{BorrowedMessage, DeliveryResult, Headers},
    producer::ProducerContext,
    types::RDKafkaErrorCode,
};

use crate::{progress::Progress, trigger::Trigger};

/// Counts of a sink that produces immediately.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) progress: Progress,
    pub(super) delivered: u64,
    /// Records refused for a reason that fails the sink; their numbers are never acknowledged.
    pub(super) failed: u64,
    /// Triggers that no broker accepts. Those that had a number count as acknowledged.
    pub(super) left_out: u64,
    /// Records that are being sent again in batches of their own.
    pub(super) singles: u64,
    /// Reason of the first record that was refused permanently, or why the client can't continue.
    pub(super) failure: Option<RDKafkaErrorCode>,
}

/// The counts, shared by the sink and the callbacks of its clients.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Counts>);

/// A record that was refused as too large, perhaps for the size of its batch.
pub(super) struct Oversized {
    /// Its sequence number.
    pub(super) number: u64,
    pub(super) trigger: Trigger,
}

impl Ledger {
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failed record, and keeps the first reason, which fails the sink.
    pub(super) fn fail(&self, code: RDKafkaErrorCode) {
        let mut counts = self.counts();
        counts.failed += 1;
        counts.failure.get_or_insert(code);
    }

    /// Enters that the client has lost all brokers for good, which fails the sink.
    pub(super) fn lose_client(&self) {
        self.counts().failure.get_or_insert(RDKafkaErrorCode::AllBrokersDown);
    }
}

/// Enters acknowledgements into the ledger, by sequence number.
pub(super) struct Acknowledgements {
    ledger: Arc<Ledger>,
    /// Takes records refused as too large; without it they are left out.
    oversized: Option<mpsc::Sender<Oversized>>,
}

impl Acknowledgements {
    /// Context of the client that sends a record for the first time.
    pub(super) fn first(ledger: &Arc<Ledger>, oversized: mpsc::Sender<Oversized>) -> Self {
        Acknowledgements { ledger: Arc::clone(ledger), oversized: Some(oversized) }
    }

    /// Context of the client that sends a record again, in a batch of its own.
    pub(super) fn last(ledger: &Arc<Ledger>) -> Self {
        Acknowledgements { ledger: Arc::clone(ledger), oversized: None }
    }
}

impl ClientContext for Acknowledgements {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Acknowledgements {
    /// The sequence number.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sequence: usize) {
        let number = sequence as u64;
        let mut counts = self.ledger.counts();
        match (failure(result), result, &self.oversized) {
            (None, ..) => {
                counts.delivered += 1;
                counts.progress.acknowledge(number);
            }
            (Some(RDKafkaErrorCode::MessageSizeTooLarge), Err((_, message)), Some(oversized)) => {
                counts.singles += 1;
                // The receiver ends only with the sink.
                let _ = oversized.send(Oversized { number, trigger: trigger(message) });
            }
            (Some(RDKafkaErrorCode::MessageSizeTooLarge), Err((_, message)), None) => {
                counts.left_out += 1;
                counts.progress.acknowledge(number);
                let Trigger { id, line, .. } = trigger(message);
                tracing::error!(
                    topic = message.topic(),
                    trigger = id,
                    bytes = line.len(),
                    "a trigger is dropped: the topic takes no record so large; raise its max.message.bytes, or make the rule's action smaller"
                );
            }
            (Some(code), ..) => {
                counts.failed += 1;
                counts.failure.get_or_insert(code);
            }
        }
        if self.oversized.is_none() {
            counts.singles = counts.singles.saturating_sub(1);
        }
    }
}

/// Reads a record back into the trigger that it was made from.
fn trigger(message: &BorrowedMessage<'_>) -> Trigger {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers().filter(|headers| headers.count() > 0);
    Trigger {
        id: text(headers.and_then(|headers| headers.get(0).value)),
        key: text(message.key()),
        line: text(message.payload()),
        expires: None,
    }
}

/// Failed records of a transaction.
#[derive(Default)]
pub(super) struct Failed {
    /// Reason of the first failure.
    pub(super) code: Option<RDKafkaErrorCode>,
    /// Records refused as too large, by their index in the batch.
    pub(super) large: Vec<usize>,
}

/// Collects the failed records of a transaction.
#[derive(Default)]
pub(super) struct Failures(Mutex<Failed>);

impl Failures {
    /// Whether a record has failed since the last call of [`take`](Self::take).
    pub(super) fn is_any(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).code.is_some()
    }

    /// Takes the failures since the last call.
    pub(super) fn take(&self) -> Failed {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Failures {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Failures {
    /// The index in the batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let Some(code) = failure(result) else { return };
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.code.get_or_insert(code);
        if code == RDKafkaErrorCode::MessageSizeTooLarge {
            failed.large.push(index);
        }
    }
}

/// Context of the client that only reads the last published number.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Reason why a record failed. A purged record has none: the client itself dropped it, in an abort or at its
/// end.
fn failure(result: &DeliveryResult<'_>) -> Option<RDKafkaErrorCode> {
    let (error, _) = result.as_ref().err()?;
    let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
    let purged = matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
    (!purged).then_some(code)
}

fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "{line}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, "{line}"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "{line}"),
    }
}

/// Logs an error of the client. Most are transient: the client retries.
fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(%error, reason, "kafka");
}
