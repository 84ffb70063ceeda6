//! Pace: the instants at which live workers step.
//!
//! Each step makes a worker send messages to all others: waking for every batch of every other worker would
//! saturate the processors of a machine with many workers. So a live worker with nothing left to do waits for
//! the next tick of the wall clock and then processes everything that has arrived; all workers of a machine
//! do so at the same instants. A record passes at most three workers, so this delays its trigger by at most
//! three ticks.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use timely::worker::Worker;

/// Decides how long a worker waits before its next step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    tick: Duration,
}

impl Pace {
    /// Steps at ticks of this length; zero: at once.
    pub(super) fn new(tick: Duration) -> Self {
        Pace { tick }
    }

    /// Blocks until the next tick, unless the worker has something left to do.
    pub(super) fn wait(self, worker: &Worker) {
        let busy = worker.activations().borrow().empty_for() == Some(Duration::ZERO);
        if !busy && !self.tick.is_zero() {
            // The wait is for pacing; a message must not end it, so the thread sleeps instead of parking.
            thread::sleep(self.rest(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));
        }
    }

    /// Time from `now` to the next tick.
    fn rest(self, now: Duration) -> Duration {
        let tick = self.tick.as_nanos();
        Duration::from_nanos((tick - now.as_nanos() % tick) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_those_of_the_clock() {
        let pace = Pace::new(Duration::from_millis(5));
        for (now, rest) in [(0, 5_000), (1, 4_999), (4_999, 1), (5_000, 5_000), (12_345, 2_655)] {
            assert_eq!(pace.rest(Duration::from_micros(now)), Duration::from_micros(rest), "at {now} µs");
        }
    }
}
