//! Triggers between `send` and their delivery: bounded by number and bytes, in lanes, one a delivery thread.
//!
//! **Invariants**: a key always takes the same lane, so its order is kept; whatever is accepted counts against the
//! bounds until it is settled, also while it is under way.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    outgoing::{Outgoing, Sent},
    progress::Progress,
};

/// Figures of a webhook sink since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookStats {
    /// Triggers accepted and not yet settled.
    pub queued: u64,
    /// Triggers delivered.
    pub delivered: u64,
    /// Attempts after a first one.
    pub retried: u64,
    /// Triggers written to the dead-letter file.
    pub dead: u64,
}

/// A trigger in a lane.
#[derive(Debug)]
pub(super) struct Job {
    sequence: u64,
    pub(super) outgoing: Outgoing,
}

/// How a trigger left the queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settled {
    Delivered,
    Dead,
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the delivery threads, one a lane.
    lanes: Vec<Condvar>,
    /// Wakes those who wait for room or for numbers to be settled.
    settled: Condvar,
    most: usize,
    most_bytes: usize,
}

struct State {
    lanes: Vec<VecDeque<Job>>,
    progress: Progress,
    bytes: usize,
    delivered: u64,
    retried: u64,
    dead: u64,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(lanes: usize, most: usize, most_bytes: usize) -> Self {
        let state = State {
            lanes: (0..lanes).map(|_| VecDeque::new()).collect(),
            progress: Progress::default(),
            bytes: 0,
            delivered: 0,
            retried: 0,
            dead: 0,
            stopped: false,
        };
        Queue {
            state: Mutex::new(state),
            lanes: (0..lanes).map(|_| Condvar::new()).collect(),
            settled: Condvar::new(),
            most,
            most_bytes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, state: &State, bytes: usize) -> bool {
        let open = state.progress.open();
        // A trigger larger than the bound would otherwise wait for ever.
        open == 0 || (open < self.most as u64 && state.bytes + bytes <= self.most_bytes)
    }

    pub(super) fn push(&self, outgoing: Outgoing) -> Sent {
        let mut state = self.state();
        if !self.has_room(&state, outgoing.bytes()) {
            return Sent::Full(outgoing);
        }
        let lane = (xxh3_64(outgoing.key.as_bytes()) % self.lanes.len() as u64) as usize;
        let sequence = state.progress.accept();
        state.bytes += outgoing.bytes();
        state.lanes[lane].push_back(Job { sequence, outgoing });
        self.lanes[lane].notify_one();
        Sent::Accepted(sequence)
    }

    /// The next trigger of a lane, waited for; `None` once the queue is stopped.
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

    /// Lets a lane's thread wait; `false` once the queue is stopped.
    pub(super) fn pause(&self, lane: usize, wait: Duration) -> bool {
        let (state, _) = self.lanes[lane]
            .wait_timeout_while(self.state(), wait, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !state.stopped
    }

    pub(super) fn count_retry(&self) {
        self.state().retried += 1;
    }

    pub(super) fn settle(&self, job: &Job, how: Settled) {
        let mut state = self.state();
        match how {
            Settled::Delivered => state.delivered += 1,
            Settled::Dead => state.dead += 1,
        }
        state.bytes -= job.outgoing.bytes();
        state.progress.settle(job.sequence);
        self.settled.notify_all();
    }

    /// Whether `condition` came true in time.
    fn wait_for(&self, longest: Duration, condition: impl Fn(&State) -> bool) -> bool {
        let started = Instant::now();
        let mut state = self.state();
        loop {
            if condition(&state) {
                return true;
            }
            let left = longest.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            state = self.settled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn wait_settled(&self, sequence: u64, longest: Duration) -> bool {
        self.wait_for(longest, |state| state.progress.settled() >= sequence)
    }

    pub(super) fn wait_room(&self, bytes: usize, longest: Duration) -> bool {
        self.wait_for(longest, |state| self.has_room(state, bytes))
    }

    pub(super) fn accepted(&self) -> u64 {
        self.state().progress.accepted()
    }

    pub(super) fn settled(&self) -> u64 {
        self.state().progress.settled()
    }

    pub(super) fn stats(&self) -> WebhookStats {
        let state = self.state();
        WebhookStats {
            queued: state.progress.open(),
            delivered: state.delivered,
            retried: state.retried,
            dead: state.dead,
        }
    }

    /// Lets all delivery threads end after the request they are at.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.lanes.iter().for_each(Condvar::notify_all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(key: &str, line: &str) -> Outgoing {
        Outgoing { id: String::new(), key: key.to_owned(), line: line.to_owned() }
    }

    #[test]
    fn the_queue_is_bounded_by_number_until_settled() {
        let queue = Queue::new(1, 2, 1000);
        assert_eq!(queue.push(outgoing("a", "1")), Sent::Accepted(1));
        assert_eq!(queue.push(outgoing("a", "2")), Sent::Accepted(2));
        let job = queue.take(0).unwrap();
        assert_eq!(queue.push(outgoing("a", "3")), Sent::Full(outgoing("a", "3")));
        assert!(!queue.wait_room(1, Duration::ZERO));
        queue.settle(&job, Settled::Delivered);
        assert!(queue.wait_room(1, Duration::ZERO));
        assert_eq!(queue.push(outgoing("a", "3")), Sent::Accepted(3));
        let expected = WebhookStats { queued: 2, delivered: 1, retried: 0, dead: 0 };
        assert_eq!((queue.stats(), queue.settled(), queue.accepted()), (expected, 1, 3));
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_but_takes_a_single_giant() {
        let queue = Queue::new(1, 100, 10);
        assert_eq!(queue.push(outgoing("k", &"x".repeat(50))), Sent::Accepted(1));
        assert!(matches!(queue.push(outgoing("k", "x")), Sent::Full(_)));
        let job = queue.take(0).unwrap();
        queue.settle(&job, Settled::Dead);
        assert_eq!(queue.push(outgoing("k", "1234")), Sent::Accepted(2));
        assert_eq!(queue.push(outgoing("k", "1234")), Sent::Accepted(3));
        assert!(matches!(queue.push(outgoing("k", "")), Sent::Full(_)));
    }

    #[test]
    fn a_stopped_queue_lets_its_threads_go() {
        let queue = Queue::new(2, 10, 1000);
        let _ = queue.push(outgoing("a", "1"));
        queue.stop();
        assert!(queue.take(0).is_none() && queue.take(1).is_none());
        assert!(!queue.pause(0, Duration::from_secs(3600)));
    }
}
