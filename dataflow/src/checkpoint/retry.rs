//! Calls of the checkpoint store that are retried while it can't be reached.

use std::{
    thread,
    time::{Duration, Instant},
};

use sinks::checkpoint::CheckpointError;

use super::RETRY;

/// Retries `attempt` while it fails with a transient error; blocks the calling thread until then.
///
/// # Errors
/// The first error that is not transient.
pub(super) fn retry_until_done<T>(
    what: &str,
    attempt: impl FnMut() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    retry_within(what, Duration::MAX, attempt)
}

/// Retries `attempt` while it fails with a transient error and `patience` has not passed since the call;
/// blocks the calling thread.
///
/// # Errors
/// The first error that is not transient, or the first after that time.
pub(super) fn retry_within<T>(
    what: &str,
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    let (begun, mut warned) = (Instant::now(), false);
    loop {
        match attempt() {
            Ok(done) => {
                if warned {
                    tracing::info!("{what}: the checkpoint store is back");
                }
                return Ok(done);
            }
            Err(error) if error.is_transient() && begun.elapsed() < patience => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "{what} waits for the checkpoint store");
                }
                // A store that is away gives no notice of its return.
                thread::sleep(RETRY);
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::checkpoint::committed::malformed;

    #[test]
    fn patience_ends_and_what_is_wrong_for_good_is_not_waited_for() {
        let tries = Cell::new(0);
        let attempt = |error: CheckpointError| {
            tries.set(tries.get() + 1);
            Err::<(), _>(error)
        };
        let away = || CheckpointError::Unavailable("away".to_owned());
        assert!(retry_within("a test", Duration::ZERO, || attempt(away())).is_err_and(|e| e.is_transient()));
        let wrong = || malformed("the manifest", "wrong");
        assert!(retry_until_done("a test", || attempt(wrong())).is_err_and(|e| !e.is_transient()));
        assert_eq!(tries.get(), 2);
    }
}
