//! Types shared by the threads that form a cluster: their reports, the stop flag, the deadline of a
//! handshake.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::claim::{Mismatch, Nonce};
use super::link::Link;

/// Timeout of one handshake. Generous: a busy machine starts a dozen processes at once.
pub(super) const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);

/// Report of an accepting or dialling thread.
pub(super) enum Arrival {
    /// An authenticated peer.
    Connected { process: usize, attempt: u64, link: Link },
    /// An authentic process whose claim differs.
    Mismatch { process: usize, mismatch: Mismatch },
    /// A dial that failed and will be repeated.
    Absent { process: usize, reason: String },
}

/// A flag that threads can wait for.
#[derive(Default)]
pub(super) struct Stop {
    flag: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Whether the flag is set.
    pub(super) fn is_set(&self) -> bool {
        *self.flag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the flag and wakes all waiting threads.
    pub(super) fn set(&self) {
        *self.flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Blocks until the flag is set, for at most `pause`; returns whether it is set.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let flag = self.flag.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(flag, pause, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A number that has not been used before.
pub(super) fn fresh_nonce() -> Nonce {
    rand::random()
}
