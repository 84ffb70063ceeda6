//! Errors of the webhook sink.

use std::io;

use crate::{dead_letters::DeadLetterError, trigger_sink::TriggerSinkError};

/// Error of starting a webhook sink. No message contains a secret or a password.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// A field of the configuration is invalid.
    #[error("webhook: {field} {reason}")]
    Config {
        /// The field.
        field: &'static str,
        /// The fault, and what to write instead.
        reason: String,
    },
    /// The dead-letter file can't be used.
    #[error("webhook: dead_letters: {0}")]
    DeadLetters(#[from] DeadLetterError),
    /// The HTTP client can't be created.
    #[error(
        "webhook: the HTTP client can't be made: {0}; look at the TLS and proxy settings of this machine"
    )]
    Client(String),
    /// A delivery thread can't be started.
    #[error(
        "webhook: a delivery thread can't be started: {0}; lower concurrency or raise the limit of threads"
    )]
    Thread(io::Error),
}

impl WebhookError {
    pub(super) fn config(field: &'static str, reason: impl Into<String>) -> Self {
        WebhookError::Config { field, reason: reason.into() }
    }
}

impl From<WebhookError> for TriggerSinkError {
    fn from(error: WebhookError) -> Self {
        TriggerSinkError::failed(error)
    }
}
