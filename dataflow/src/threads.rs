//! Threads with names, which a panic's line in the log, `top -H` and a profiler show.

use std::thread::{Builder, JoinHandle};

/// Starts a thread; of its name the system shows 15 bytes.
///
/// # Panics
/// If the system has no more threads to give. Like any panic that ends the process, and the cluster starts
/// again.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let started = Builder::new().name(name.to_owned()).spawn(work);
    started.unwrap_or_else(|error| panic!("the thread `{name}` can't be started: {error}"))
}
