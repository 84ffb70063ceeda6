//! The queue between `send` and the delivery threads: bounded by number and bytes, with one lane per delivery
//! thread.
//!
//! **Invariants**: triggers of one key share a lane, so their order is kept; an accepted trigger counts
//! against the bounds until it is acknowledged, even while its request is under way.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    progress::Progress,
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats},
};

/// A queued trigger and its sequence number.
#[derive(Debug)]
pub(super) struct Job {
    number: u64,
    pub(super) trigger: Trigger,
}

/// The way a trigger left the queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Delivered,
    Dead,
    /// Dead, because it became too old.
    Expired,
}

pub(super) struct Queue {
    state: Mutex<QueueState>,
    /// Wakes the delivery threads, one per lane.
    lanes: Vec<Condvar>,
    /// Upper bound of open triggers.
    limit: usize,
    /// Upper bound of their bytes.
    limit_bytes: usize,
}

struct QueueState {
    lanes: Vec<VecDeque<Job>>,
    progress: Progress,
    bytes: usize,
    delivered: u64,
    retried: u64,
    dead: u64,
    expired: u64,
    /// How often the receiver came back.
    recoveries: u64,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(lanes: usize, limit: usize, limit_bytes: usize) -> Self {
        let state = QueueState {
            lanes: (0..lanes).map(|_| VecDeque::new()).collect(),
            progress: Progress::default(),
            bytes: 0,
            delivered: 0,
            retried: 0,
            dead: 0,
            expired: 0,
            recoveries: 0,
            stopped: false,
        };
        Queue {
            state: Mutex::new(state),
            lanes: (0..lanes).map(|_| Condvar::new()).collect(),
            limit,
            limit_bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, state: &QueueState, bytes: usize) -> bool {
        let open = state.progress.open();
        // Without the first condition a trigger larger than the bound would wait for ever.
        open == 0 || (open < self.limit as u64 && state.bytes + bytes <= self.limit_bytes)
    }

    /// Queues a trigger unless there is no room for it.
    pub(super) fn push(&self, trigger: &Trigger) -> Sent {
        let mut state = self.state();
        if !self.has_room(&state, trigger.bytes()) {
            return Sent::Full;
        }
        let lane = (xxh3_64(trigger.key.as_bytes()) % self.lanes.len() as u64) as usize;
        let number = state.progress.accept();
        state.bytes += trigger.bytes();
        state.lanes[lane].push_back(Job { number, trigger: trigger.clone() });
        self.lanes[lane].notify_one();
        Sent::Accepted(number)
    }

    /// Takes the next trigger of a lane, blocking until there is one; `None` once the queue is stopped.
    pub(super) fn take(&self, lane: usize) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.lanes[lane].pop_front() {
                return Some(job);
            }
            state = self.lanes[lane].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks a lane's thread for `wait`, or until the queue is stopped, or the receiver comes back if
    /// `until_recovery` is set; `false` if it is stopped.
    pub(super) fn pause(&self, lane: usize, wait: Duration, until_recovery: bool) -> bool {
        let state = self.state();
        let seen = state.recoveries;
        let waits = |state: &mut QueueState| !state.stopped && (!until_recovery || state.recoveries == seen);
        let waited = self.lanes[lane].wait_timeout_while(state, wait, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Wakes the lanes that wait for the receiver to come back.
    pub(super) fn recover(&self) {
        self.state().recoveries += 1;
        self.lanes.iter().for_each(Condvar::notify_all);
    }

    /// Number of triggers that the receiver has taken.
    pub(super) fn delivered(&self) -> u64 {
        self.state().delivered
    }

    pub(super) fn count_retry(&self) {
        self.state().retried += 1;
    }

    /// Acknowledges a trigger and releases its room.
    pub(super) fn acknowledge(&self, job: &Job, outcome: Outcome) {
        let mut state = self.state();
        match outcome {
            Outcome::Delivered => state.delivered += 1,
            Outcome::Dead => state.dead += 1,
            Outcome::Expired => {
                state.dead += 1;
                state.expired += 1;
            }
        }
        state.bytes -= job.trigger.bytes();
        state.progress.acknowledge(job.number);
    }

    pub(super) fn accepted(&self) -> u64 {
        self.state().progress.accepted()
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.state().progress.acknowledged()
    }

    pub(super) fn stats(&self) -> SinkStats {
        let state = self.state();
        SinkStats {
            queued: state.progress.open(),
            delivered: state.delivered,
            retried: state.retried,
            dead: state.dead,
            expired: state.expired,
            failed: 0,
        }
    }

    /// Ends all delivery threads, each after its current request.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.lanes.iter().for_each(Condvar::notify_all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(key: &str, line: &str) -> Trigger {
        Trigger { key: key.to_owned(), line: line.to_owned(), ..Trigger::default() }
    }

    #[test]
    fn the_queue_is_bounded_by_number_until_acknowledged() {
        let queue = Queue::new(1, 2, 1000);
        assert_eq!(queue.push(&trigger("a", "1")), Sent::Accepted(1));
        assert_eq!(queue.push(&trigger("a", "2")), Sent::Accepted(2));
        let job = queue.take(0).unwrap();
        assert_eq!(queue.push(&trigger("a", "3")), Sent::Full);
        queue.acknowledge(&job, Outcome::Delivered);
        assert_eq!(queue.push(&trigger("a", "3")), Sent::Accepted(3));
        let expected = SinkStats { queued: 2, delivered: 1, ..SinkStats::default() };
        assert_eq!((queue.stats(), queue.acknowledged(), queue.accepted()), (expected, 1, 3));
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_but_takes_a_single_giant() {
        let queue = Queue::new(1, 100, 10);
        assert_eq!(queue.push(&trigger("k", &"x".repeat(50))), Sent::Accepted(1));
        assert!(matches!(queue.push(&trigger("k", "x")), Sent::Full));
        let job = queue.take(0).unwrap();
        queue.acknowledge(&job, Outcome::Dead);
        assert_eq!(queue.push(&trigger("k", "1234")), Sent::Accepted(2));
        assert_eq!(queue.push(&trigger("k", "1234")), Sent::Accepted(3));
        assert!(matches!(queue.push(&trigger("k", "")), Sent::Full));
    }

    #[test]
    fn a_stopped_queue_lets_its_threads_go() {
        let queue = Queue::new(2, 10, 1000);
        let _ = queue.push(&trigger("a", "1"));
        queue.stop();
        assert!(queue.take(0).is_none() && queue.take(1).is_none());
        assert!(!queue.pause(0, Duration::from_secs(3600), false));
    }
}
