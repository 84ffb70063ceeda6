//! One attempt at a transaction: its deadline and its failures.

use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode;

use super::error::KafkaSinkError;

/// Failure of a transaction, classified by the action that it requires.
pub(super) enum Failure {
    /// Abort; a retry may succeed.
    Abort { last: String, code: Option<RDKafkaErrorCode> },
    /// Abort; a retry would fail in the same way.
    Never(KafkaSinkError),
    /// The outcome is unknown, or the client can't continue.
    Doubt(KafkaSinkError),
}

/// Time limit of a sequence of calls.
pub(super) struct Deadline {
    end: Instant,
    within: Duration,
}

impl Deadline {
    pub(super) fn new(within: Duration) -> Self {
        Deadline { end: Instant::now() + within, within }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    pub(super) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(super) fn unavailable(&self, what: &'static str, last: String) -> KafkaSinkError {
        KafkaSinkError::Unavailable { what, within: self.within, last }
    }
}
