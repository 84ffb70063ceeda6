//! Triggers as HTTP requests, one request per trigger.
//!
//! - `sink`: [`WebhookSink`] and its delivery threads
//! - `queue`: the bounded queue between `send` and the delivery threads
//! - `client`: one attempt, signed, and the classification of its answer
//! - `backoff`: the wait before the next attempt
//! - `config`, `error`: settings, and errors with remedies
//!
//! Data flow: `send` puts a trigger into the queue, in the lane of its key; the delivery thread of the lane
//! sends it. The trigger is acknowledged once the receiver has answered 2xx, or once it is synced to the
//! dead-letter file.
//!
//! The request's body is the trigger's line. Its headers:
//!
//! | header | value |
//! | --- | --- |
//! | `X-Strateye-Trigger` | the trigger's id, by which receivers discard duplicates |
//! | `X-Strateye-Signature` | `t=UNIX_MS,v1=HEX`: HMAC-SHA256 over `UNIX_MS.BODY` under the shared secret |
//!
//! Receivers compare the signature in constant time and refuse old times.
//!
//! Answers: 2xx is delivered; 4xx makes a dead letter at once, except 408, 425 and 429; everything else, and
//! no answer in time, is retried after a random back-off, or after the time in `Retry-After`, until the
//! attempts are used up. With a spool, attempts count only if they concern the trigger: the receiver answered, and
//! not by 408, 425, 429, 502, 503 or 504, or it took another trigger between two of them. A trigger that has become
//! too old makes a dead letter before its next attempt.
//!
//! **Invariants**: at least once; triggers of one key arrive in order, except that later ones overtake a dead
//! letter. **Limits**: while a trigger is being retried, the keys that share its delivery thread wait; queued
//! triggers are lost when the process ends unless the caller resends everything above
//! [`acknowledged`](crate::TriggerSink).

mod backoff;
mod client;
mod config;
mod error;
mod queue;
mod sink;

pub use config::{Method, WebhookConfig};
pub use error::WebhookError;
pub use sink::WebhookSink;
