//! What librdkafka's threads tell: acknowledgements, errors, log lines.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{BorrowedMessage, DeliveryResult, Headers},
    producer::ProducerContext,
    types::RDKafkaErrorCode,
};

use crate::{outgoing::Outgoing, progress::Progress};

/// How much of a key is shown in the log.
const SHOWN: usize = 100;

/// The state of an immediate producer.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// Records that are settled because no broker would ever take them.
    pub(super) left_out: u64,
    /// Records that are sent again by themselves and not yet answered.
    pub(super) alone: u64,
    /// The first record that was refused for good.
    pub(super) failure: Option<RDKafkaErrorCode>,
}

/// The state, for all clients of one sink.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A record that was refused as too large, perhaps for its company.
pub(super) struct Refused {
    /// Its sequence number.
    pub(super) number: u64,
    pub(super) outgoing: Outgoing,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a record that was refused for good.
    pub(super) fn fail(&self, code: RDKafkaErrorCode) {
        let mut state = self.state();
        state.failed += 1;
        state.failure.get_or_insert(code);
        self.changed.notify_all();
    }

    /// Whether `condition` came true in time.
    pub(super) fn wait_for(&self, longest: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let started = Instant::now();
        let mut state = self.state();
        loop {
            if condition(&state) {
                return true;
            }
            let left = longest.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Counts acknowledgements by sequence number.
pub(super) struct Acknowledgements {
    shared: Arc<Shared>,
    /// Where records go that were refused as too large; none: they are left out.
    alone: Option<mpsc::Sender<Refused>>,
}

impl Acknowledgements {
    /// Of the client that sends records first.
    pub(super) fn first(shared: &Arc<Shared>, alone: mpsc::Sender<Refused>) -> Self {
        Acknowledgements { shared: Arc::clone(shared), alone: Some(alone) }
    }

    /// Of the one that sends them by themselves.
    pub(super) fn last(shared: &Arc<Shared>) -> Self {
        Acknowledgements { shared: Arc::clone(shared), alone: None }
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
        let (code, is_last) = (failure(result), self.alone.is_none());
        let mut state = self.shared.state();
        match (code, result, &self.alone) {
            (None, ..) => {
                state.delivered += 1;
                state.progress.settle(number);
            }
            (Some(RDKafkaErrorCode::MessageSizeTooLarge), Err((_, message)), Some(alone)) => {
                state.alone += 1;
                // If nobody takes it, the sink ends.
                let _ = alone.send(Refused { number, outgoing: outgoing(message) });
            }
            (Some(RDKafkaErrorCode::MessageSizeTooLarge), Err((_, message)), None) => {
                state.left_out += 1;
                state.progress.settle(number);
                let Outgoing { id, key, line } = outgoing(message);
                tracing::error!(
                    topic = message.topic(),
                    trigger = id,
                    key = key.chars().take(SHOWN).collect::<String>(),
                    bytes = line.len(),
                    "a trigger is left out: the topic takes no record so large; raise its max.message.bytes, or make the rule's action smaller"
                );
            }
            (Some(code), ..) => {
                state.failed += 1;
                state.failure.get_or_insert(code);
            }
        }
        if is_last {
            state.alone = state.alone.saturating_sub(1);
        }
        self.shared.changed.notify_all();
    }
}

/// The trigger that a record was made of.
fn outgoing(message: &BorrowedMessage<'_>) -> Outgoing {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers().filter(|headers| headers.count() > 0);
    Outgoing {
        id: text(headers.and_then(|headers| headers.get(0).value)),
        key: text(message.key()),
        line: text(message.payload()),
    }
}

/// Why records of a transaction failed.
#[derive(Default)]
pub(super) struct Failed {
    /// The first failure.
    pub(super) code: Option<RDKafkaErrorCode>,
    /// Which were refused as too large, by their place in the batch.
    pub(super) large: Vec<usize>,
}

/// Keeps why records of the transaction failed.
#[derive(Default)]
pub(super) struct Failures(Mutex<Failed>);

impl Failures {
    /// Whether there was one since the last call of [`take`](Self::take).
    pub(super) fn is_any(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).code.is_some()
    }

    /// The failures since the last call.
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
    /// The place in the batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let Some(code) = failure(result) else { return };
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.code.get_or_insert(code);
        if code == RDKafkaErrorCode::MessageSizeTooLarge {
            failed.large.push(place);
        }
    }
}

/// For the client that only reads the last published number.
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

/// Why a record failed. What was purged was given up by this side, in an abort or at the end, and is no failure.
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

/// Most of these pass by themselves: the client goes on trying.
fn log_error(error: &KafkaError, reason: &str) {
    tracing::warn!(%error, reason, "kafka");
}
