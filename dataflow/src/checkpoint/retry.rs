//! Calls of the checkpoint store that are retried while it can't be reached.

use std::thread;

use sinks::checkpoint::CheckpointError;

use super::RETRY;

/// Retries `attempt` while it fails with a transient error; blocks the calling thread until then.
///
/// # Errors
/// The first error that is not transient.
pub(super) fn retry_until_done<T>(
    what: &str,
    mut attempt: impl FnMut() -> Result<T, CheckpointError>,
) -> Result<T, CheckpointError> {
    let mut warned = false;
    loop {
        match attempt() {
            Err(error) if error.is_transient() => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%error, "{what} waits for the checkpoint store");
                }
                // A store that is away gives no notice of its return.
                thread::sleep(RETRY);
            }
            done => {
                if warned {
                    tracing::info!("{what}: the checkpoint store answers again");
                }
                return done;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::committed::malformed;

    #[test]
    fn what_is_away_is_tried_again_and_what_is_wrong_for_good_is_not() {
        let away = || Err(CheckpointError::Unavailable("away".to_owned()));
        let mut answers = [away(), Err(malformed("the manifest", "wrong"))].into_iter();
        let done: Result<(), _> = retry_until_done("a test", || answers.next().unwrap());
        assert!(done.is_err_and(|error| !error.is_transient()));
        assert!(answers.next().is_none());
    }
}
