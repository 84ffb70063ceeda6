//! What librdkafka's threads tell: acknowledgements, errors, log lines.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, config::RDKafkaLogLevel, error::KafkaError, message::DeliveryResult,
    producer::ProducerContext, types::RDKafkaErrorCode,
};

use crate::progress::Progress;

/// The state of an immediate producer.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) progress: Progress,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// The first record that was refused for good.
    pub(super) failure: Option<RDKafkaErrorCode>,
}

/// Counts acknowledgements by sequence number.
#[derive(Default)]
pub(super) struct Acknowledgements {
    state: Mutex<State>,
    changed: Condvar,
}

impl Acknowledgements {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.state();
        match failure(result) {
            None => {
                state.delivered += 1;
                state.progress.settle(sequence as u64);
            }
            Some(code) => {
                state.failed += 1;
                state.failure.get_or_insert(code);
            }
        }
        self.changed.notify_all();
    }
}

/// Keeps why a record of the transaction failed.
#[derive(Default)]
pub(super) struct Failures(Mutex<Option<RDKafkaErrorCode>>);

impl Failures {
    /// The first failure since the last call.
    pub(super) fn take(&self) -> Option<RDKafkaErrorCode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
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
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Some(code) = failure(result) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(code);
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
