//! The pulse of a worker loop: whether it turns, hangs, or only waits for a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time between two questions for the pulse.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// Judges a counter that the worker loop increments at every iteration.
pub(super) struct Pulse {
    ticks: Arc<AtomicU64>,
    /// The counter at the last question.
    counted: u64,
    /// Tells how long worker threads have waited for a processor.
    run_delay: fn() -> Duration,
    /// What it told last, since when the loop has not turned.
    waited: Option<Duration>,
}

impl Pulse {
    pub(super) fn new(ticks: Arc<AtomicU64>, run_delay: fn() -> Duration) -> Self {
        Self { ticks, counted: 0, run_delay, waited: None }
    }

    /// The counter, unless the loop has made no iteration since the last question, one [`BEAT`] ago, although it
    /// had a processor.
    pub(super) fn beat(&mut self) -> Option<u64> {
        let ticks = self.ticks.load(Ordering::Relaxed);
        if self.counted != ticks {
            (self.counted, self.waited) = (ticks, None);
            return Some(ticks);
        }
        let waited = (self.run_delay)();
        let before = self.waited.replace(waited)?;
        (waited.saturating_sub(before) >= BEAT / 2).then_some(ticks)
    }
}
