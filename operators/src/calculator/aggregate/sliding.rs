//! Length of a sliding window, and the buckets into which it cuts time.
//!
//! Buckets are `w = max(1, L / 64)` ms wide and aligned to the unix epoch, so all keys, processes and replays cut
//! time at the same places. What was folded counts once its bucket has begun.

/// Number of buckets that a window is divided into.
const BUCKETS_PER_WINDOW: i64 = 64;

/// Length of a sliding window, ms, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sliding(i64);

impl Sliding {
    /// A window of `span` ms, at least 1.
    pub fn new(span: i64) -> Self {
        Sliding(span.max(1))
    }

    /// Length of the window, ms.
    pub fn span(self) -> i64 {
        self.0
    }

    /// Width of a bucket, ms.
    pub fn width(self) -> i64 {
        (self.0 / BUCKETS_PER_WINDOW).max(1)
    }

    /// Start of the bucket in which `time` lies.
    pub fn start(self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.width()))
    }

    /// Start of the oldest bucket that reaches into the window at `now`.
    pub fn oldest(self, now: i64) -> i64 {
        self.start(now.saturating_sub(self.0))
    }

    /// First instant that lies in the window at `now`.
    pub fn since(self, now: i64) -> i64 {
        now.saturating_sub(self.0).saturating_add(1)
    }

    /// First instant behind the buckets that have begun at `now`.
    pub fn ahead(self, now: i64) -> i64 {
        self.start(now).saturating_add(self.width())
    }
}
