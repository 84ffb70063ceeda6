//! Dependencies that are away when a process starts: stores, topics, databases.
//!
//! **Invariants**
//! - A dependency that is away ends no process, so its absence never counts as a restart.
//! - Everything waited for is named, with the reason: in the log at once and every minute, and in the
//!   worker's numbers, by which the cluster is not ready.
//! - While a worker's own thread waits, heartbeats are sent for it.
//! - The order to stop ends every wait.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::surroundings::Surroundings;
use crate::{
    protocol::{message::Message, numbers::Numbers},
    telemetry::messenger::Messenger,
};

/// Pause between two attempts.
const RETRY: Duration = Duration::from_millis(250);
/// Interval of heartbeats and of numbers while a worker's thread waits.
const BEAT: Duration = Duration::from_millis(500);
/// Time without an answer from which on an attempt counts as a wait.
const SLOW: Duration = Duration::from_secs(5);
/// Interval at which a wait is logged again.
const REMIND: Duration = Duration::from_secs(60);

/// Dependencies that a process waits for; a handle to shared content.
#[derive(Clone)]
pub struct Awaiting {
    worker: usize,
    messenger: Messenger,
    stopping: Arc<AtomicBool>,
    ticks: Arc<AtomicU64>,
    waits: Arc<Mutex<BTreeMap<String, Wait>>>,
}

/// A dependency that is away.
struct Wait {
    reason: String,
    since: Instant,
    logged: Instant,
}

impl Awaiting {
    /// Nothing is waited for yet by the process of this worker.
    pub fn new(worker: usize, around: &Surroundings) -> Self {
        Awaiting {
            worker,
            messenger: around.messenger.clone(),
            stopping: Arc::clone(&around.stopping),
            ticks: Arc::clone(&around.ticks),
            waits: Arc::default(),
        }
    }

    /// Records and logs that a dependency is away.
    pub fn note(&self, name: &str, reason: impl Display) {
        let (reason, now, mut waits) = (reason.to_string(), Instant::now(), self.waits());
        match waits.get_mut(name) {
            Some(wait) if wait.logged.elapsed() < REMIND => wait.reason = reason,
            Some(wait) => {
                let seconds = wait.since.elapsed().as_secs();
                tracing::warn!("still waiting for {name}, for {seconds} s: {reason}");
                (wait.reason, wait.logged) = (reason, now);
            }
            None => {
                tracing::warn!("waiting for {name}: {reason}");
                waits.insert(name.to_owned(), Wait { reason, since: now, logged: now });
            }
        }
    }

    /// Records that a dependency is there.
    pub fn arrived(&self, name: &str) {
        if let Some(wait) = self.waits().remove(name) {
            tracing::info!("{name} is there, after {} s", wait.since.elapsed().as_secs());
        }
    }

    /// Everything waited for now, each with the reason.
    pub fn reasons(&self) -> Vec<String> {
        self.waits().iter().map(|(name, wait)| format!("{name}: {}", wait.reason)).collect()
    }

    /// Retries `attempt` while `is_away` is true of its error, on the worker's own thread.
    ///
    /// # Errors
    /// The first other error, or the last one before an order to stop.
    pub fn wait<T, E: Display>(
        &self,
        name: &str,
        is_away: impl Fn(&E) -> bool,
        attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let (over, ended) = mpsc::channel::<Infallible>();
        thread::scope(|scope| {
            scope.spawn(move || self.beat_until(name, &ended));
            let _over = over;
            self.wait_aside(name, is_away, attempt)
        })
    }

    /// Like [`wait`](Self::wait), on a thread beside the worker's.
    ///
    /// # Errors
    /// The first other error, or the last one before an order to stop.
    pub fn wait_aside<T, E: Display>(
        &self,
        name: &str,
        is_away: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            match attempt() {
                Err(error) if is_away(&error) && !self.stopping.load(Ordering::SeqCst) => {
                    self.note(name, error);
                    // A service that is away gives no notice of its return.
                    thread::sleep(RETRY);
                }
                done => {
                    self.arrived(name);
                    return done;
                }
            }
        }
    }

    /// Sends heartbeats, and numbers with what is waited for, until the wait has ended.
    fn beat_until(&self, name: &str, ended: &mpsc::Receiver<Infallible>) {
        let begun = Instant::now();
        while ended.recv_timeout(BEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
            self.ticks.fetch_add(1, Ordering::Relaxed);
            if begun.elapsed() >= SLOW && self.waits().is_empty() {
                self.note(name, "no answer yet");
            }
            let awaits = self.reasons();
            if !awaits.is_empty() {
                let numbers = Numbers { worker: self.worker, awaits, ..Numbers::default() };
                self.messenger.send(Message::Numbers(Box::new(numbers)));
            }
        }
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<String, Wait>> {
        // No panic can leave a change incomplete.
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Awaiting {
    /// For tests that never stop.
    pub(crate) fn for_test() -> Self {
        Awaiting::new(0, &Surroundings::for_test())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Board, Expected};

    fn away(error: &&str) -> bool {
        *error == "away"
    }

    #[test]
    fn what_is_away_is_retried_until_it_is_there_and_named_meanwhile() {
        let awaiting = Awaiting::for_test();
        let mut answers = [Err("away"), Err("away"), Ok(7)].into_iter();
        let mut seen = Vec::new();
        let answer = awaiting.wait_aside("the store", away, || {
            seen.push(awaiting.reasons());
            answers.next().unwrap()
        });
        assert_eq!(answer, Ok(7));
        assert_eq!(seen, [vec![], vec!["the store: away".to_owned()], vec!["the store: away".to_owned()]]);
        assert_eq!(awaiting.reasons(), [] as [&str; 0]);
    }

    #[test]
    fn another_error_and_the_order_to_stop_end_the_wait() {
        let awaiting = Awaiting::for_test();
        assert_eq!(awaiting.wait("it", away, || Err::<(), _>("wrong")), Err("wrong"));
        let stopping = Arc::clone(&awaiting.stopping);
        let stopped = awaiting.wait("it", away, || {
            stopping.store(true, Ordering::SeqCst);
            Err::<(), _>("away")
        });
        assert_eq!(stopped, Err("away"));
        assert_eq!(awaiting.reasons(), [] as [&str; 0]);
    }

    #[test]
    fn a_worker_that_waits_sends_heartbeats_and_is_not_ready() {
        let expected = Expected { processes: 0..1, checkpoint_within: None, epoch: BEAT, supervised: false };
        let board = Board::new(expected);
        let messenger = Messenger { supervisor: None, board: Some(board.clone()) };
        let awaiting = Awaiting { messenger, ..Awaiting::for_test() };
        let end = Instant::now() + Duration::from_secs(60);
        let shown = "process 0 waits for the store: away";
        let waited = awaiting.wait("the store", away, || {
            let faults = board.status().faults(Instant::now());
            match faults.iter().any(|fault| fault == shown) {
                true => Ok(()),
                false if Instant::now() < end => Err("away"),
                false => Err("it is not shown"),
            }
        });
        assert_eq!(waited, Ok(()));
        assert!(awaiting.ticks.load(Ordering::Relaxed) > 0);
    }
}
