//! The end of a process that has failed for good.
//!
//! A failure is a [`Fatal`]: a cause and an exit code. Functions return it. A thread or an operator, which
//! has nobody to return it to, hands it to [`ExitHandle::end`]. [`run`] keeps the calling thread, in a
//! process the main thread, free to wait for the first of them and for the end of the work, whichever comes
//! first; its caller logs the cause and returns from `main`, which ends the process.
//!
//! **Invariants**
//! - An exit is prompt: the main thread does nothing but wait for it, so a process ends although its worker
//!   is blocked in an operator, waits for a lock or sleeps.
//! - The first failure decides the exit code.
//! - A thread that failed does nothing more. [`ExitHandle::end`] does not return and the thread keeps its
//!   channels, so that no other thread takes its end for a success, such as a restore that broke off for one
//!   that is complete.
//!
//! Two ends are not of this kind: a panic ends its process in the panic hook, and a process whose supervisor
//! is gone has nobody left to report to; see [`cluster`](crate::cluster).

use std::{fmt::Display, panic, sync::mpsc, thread};

use crate::threads;

/// Exit code: a source of events failed.
pub const SOURCE_FAILED: i32 = 83;
/// Exit code: triggers could not be written.
pub const SINK_FAILED: i32 = 84;
/// Exit code: the reader of standard output has gone.
pub const READER_GONE: i32 = 85;
/// Exit code: the checkpoints belong to another engine now, or have gone back; a restart continues from the last
/// commit.
pub const STATE_LOST: i32 = 86;
/// Exit code: the checkpoints can't be used, and a restart would not help.
pub const STATE_UNUSABLE: i32 = crate::cluster::FINAL;

/// A failure that ends the process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {cause}")]
pub struct Fatal {
    /// Exit code, from which the supervisor decides whether a restart helps.
    pub code: i32,
    /// The part of the engine that failed.
    pub what: &'static str,
    /// The error, with its remedy.
    pub cause: String,
}

impl Fatal {
    /// A failure with its exit code, the part of the engine that failed, and the error.
    pub fn new(code: i32, what: &'static str, cause: impl Display) -> Self {
        Fatal { code, what, cause: cause.to_string() }
    }

    /// Logs the failure, with the code that the process is about to exit with.
    pub fn log(&self) {
        tracing::error!(exit = self.code, error = %self.cause, "{}", self.what);
    }
}

/// Ends the process from any of its threads.
#[derive(Clone, Debug)]
pub struct ExitHandle(mpsc::Sender<Option<Fatal>>);

impl ExitHandle {
    /// Hands a failure to [`run`]'s caller and blocks for ever.
    pub fn end(&self, fatal: impl Into<Fatal>) -> ! {
        // If nobody waits any more, the process is ending already.
        let _ = self.0.send(Some(fatal.into()));
        loop {
            thread::park();
        }
    }

    /// A handle for tests, and where its failures arrive.
    #[cfg(test)]
    pub(crate) fn for_test() -> (Self, mpsc::Receiver<Option<Fatal>>) {
        let (to, from) = mpsc::channel();
        (ExitHandle(to), from)
    }
}

/// Sends that the work is over when it is dropped, in a panic too.
struct Over(mpsc::Sender<Option<Fatal>>);

impl Drop for Over {
    fn drop(&mut self) {
        let _ = self.0.send(None);
    }
}

/// Runs `work` on a thread of its own. Blocks until it is over or any thread has failed for good, whichever
/// is first.
///
/// # Errors
/// The error of the work, or the failure of a thread; then threads may still be blocked, and the caller is to
/// end the process.
pub fn run<E: From<Fatal> + Send + 'static>(
    work: impl FnOnce(&ExitHandle) -> Result<(), E> + Send + 'static,
) -> Result<(), E> {
    let (to, first) = mpsc::channel();
    let (exit, over) = (ExitHandle(to.clone()), Over(to));
    let work = threads::spawn("process", move || {
        let _over = over;
        work(&exit)
    });
    match first.recv() {
        Ok(Some(fatal)) => Err(fatal.into()),
        Ok(None) | Err(mpsc::RecvError) => work.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sink_failed(cause: &str) -> Fatal {
        Fatal::new(SINK_FAILED, "a sink failed", cause)
    }

    #[test]
    fn the_result_of_the_work_is_returned() {
        assert_eq!(run(|_| Ok::<(), Fatal>(())), Ok(()));
        assert_eq!(run(|_| Err(sink_failed("full"))), Err(sink_failed("full")));
    }

    #[test]
    fn a_failed_thread_ends_the_wait_although_the_work_is_blocked() {
        let ended = run::<Fatal>(|exit| {
            let exit = exit.clone();
            threads::spawn("fails", move || exit.end(sink_failed("gone")))
                .join()
                .map_err(|_| sink_failed("joined"))
        });
        assert_eq!(ended, Err(sink_failed("gone")));
    }

    #[test]
    fn a_thread_that_failed_keeps_what_it_holds() {
        let (exit, failures) = ExitHandle::for_test();
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        threads::spawn("fails", move || {
            let _kept = kept;
            exit.end(sink_failed("gone"));
        });
        assert_eq!(failures.recv(), Ok(Some(sink_failed("gone"))));
        assert_eq!(Arc::strong_count(&held), 2);
    }

    #[test]
    #[should_panic(expected = "in the work")]
    fn a_panic_of_the_work_goes_on_in_the_caller() {
        let _ = run::<Fatal>(|_| panic!("in the work"));
    }
}
