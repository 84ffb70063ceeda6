//! Triggers as HTTP requests, one trigger a request.
//!
//! - `sink`: [`WebhookSink`] and its delivery threads
//! - `queue`: the bounded queue between `send` and the delivery threads
//! - `client`: one attempt, signed, and the meaning of its answer
//! - `backoff`: the wait before the next attempt
//! - [`dead_letters`]: triggers that could not be delivered, and their replay
//! - `config`, `error`: settings, and why a sink can't start
//!
//! Data flow: `send` puts a trigger into the queue, in the lane of its key; the delivery thread of the lane posts it. The
//! trigger is acknowledged once the receiver has answered 2xx, or once it lies, synced, in the dead-letter file.
//!
//! The request's body is the trigger's line. Its headers:
//!
//! | header | is |
//! | --- | --- |
//! | `X-Strateye-Trigger` | the trigger's id: receivers drop what they have seen |
//! | `X-Strateye-Signature` | `t=UNIX_MS,v1=HEX`: HMAC-SHA256 over `UNIX_MS.BODY` under the shared secret; receivers compare in constant time and refuse old times |
//!
//! What an answer means: 2xx is delivered; 4xx goes to the dead letters at once, except 408, 425 and 429; everything else,
//! and no answer in time, is tried again after a random back-off, or after what `Retry-After` asks, until the attempts
//! are used up.
//!
//! **Invariants**: at least once; triggers of one key arrive in order, except that a dead letter is passed by those behind
//! it. **Limits**: while a trigger is being retried, the keys that share its delivery thread wait; what is queued when
//! the process ends is lost unless the caller sends again everything above [`acknowledged`](crate::TriggerSink).

mod backoff;
mod client;
mod config;
pub mod dead_letters;
mod error;
mod queue;
mod sink;

pub use config::{Method, WebhookConfig};
pub use error::WebhookError;
pub use sink::WebhookSink;
