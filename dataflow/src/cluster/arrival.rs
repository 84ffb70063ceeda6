//! What the threads that form a cluster share: what they report, when they stop, how long they may take.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::claim::{Mismatch, Nonce};
use super::socket::Socket;

/// How long one handshake may take. Generous: a busy machine starts a dozen processes at once.
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);

/// What the accepting and dialling threads report.
pub(super) enum Arrival {
    /// An authenticated peer.
    Connected { process: usize, attempt: u64, socket: Socket },
    /// An authentic process that does not fit.
    Mismatch { process: usize, mismatch: Mismatch },
    /// A dial that failed, for now.
    Absent { process: usize, reason: String },
}

/// A flag that can be waited for.
#[derive(Default)]
pub(super) struct Stop {
    flag: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Whether it is set.
    pub(super) fn is_set(&self) -> bool {
        *self.flag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets it, and ends all waiting.
    pub(super) fn set(&self) {
        *self.flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits at most `pause` for it; true when it is set.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let flag = self.flag.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(flag, pause, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A number nobody has used before.
pub(super) fn fresh_nonce() -> Nonce {
    rand::random()
}
