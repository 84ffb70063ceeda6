//! Time that worker threads wait for a processor.
//!
//! A worker loop that does not turn may hang, or have no processor: a step that takes a second takes ten on a
//! machine with ten times more to do than it can. The kernel counts the latter, as the run delay of a thread
//! (Linux, `Documentation/scheduler/sched-stats.rst`).
//!
//! **Limit**: a loop that never ends is noticed only once the machine is less busy.

use std::{fs, io, path::Path, time::Duration};

/// How timely names its worker threads.
const WORKER: &str = "timely:work-";

/// Run delay of this process's worker threads since they began, summed; zero where the kernel does not tell.
pub(super) fn of_workers() -> Duration {
    of_threads(Path::new("/proc/self/task"), WORKER).unwrap_or_default()
}

fn of_threads(tasks: &Path, named: &str) -> io::Result<Duration> {
    let threads = fs::read_dir(tasks)?.filter_map(Result::ok);
    // A thread may end meanwhile.
    Ok(threads.filter_map(|thread| of_thread(&thread.path(), named).ok().flatten()).sum())
}

fn of_thread(thread: &Path, named: &str) -> io::Result<Option<Duration>> {
    if !fs::read_to_string(thread.join("comm"))?.starts_with(named) {
        return Ok(None);
    }
    // Nanoseconds on a processor and waiting for one, and the number of times it had one.
    let stat = fs::read_to_string(thread.join("schedstat"))?;
    Ok(stat.split_whitespace().nth(1).and_then(|waited| waited.parse().ok()).map(Duration::from_nanos))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        thread,
        time::Instant,
    };

    use super::*;

    #[test]
    fn a_thread_among_many_waits_for_a_processor() {
        let ended = Arc::new(AtomicBool::new(false));
        let spin = |name: &str| {
            let ended = Arc::clone(&ended);
            let spin = move || while !ended.load(Ordering::Relaxed) {};
            thread::Builder::new().name(name.to_owned()).spawn(spin).unwrap()
        };
        let others = 2 * thread::available_parallelism().unwrap().get();
        let threads: Vec<_> =
            ["delayed-0"].into_iter().chain((0..others).map(|_| "other")).map(spin).collect();
        let waited = || of_threads(Path::new("/proc/self/task"), "delayed-").unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while waited() < Duration::from_millis(100) {
            assert!(Instant::now() < end, "it has waited for {:?} in a minute", waited());
        }
        assert_eq!(of_threads(Path::new("/proc/self/task"), "nobody").unwrap(), Duration::ZERO);
        ended.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
