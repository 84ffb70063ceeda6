//! How a window cuts time into buckets, and which of them count.

use super::{Sliding, window::KEPT};
use crate::model::calendar::Calendar;

/// A window that moves with `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The last milliseconds, in buckets of a part of them.
    Sliding(Sliding),
    /// The period of a calendar in which `now` lies, as one bucket.
    Calendar(Calendar),
}

impl Cut {
    /// The last `span` ms, at least 1.
    pub fn last(span: i64) -> Self {
        Cut::Sliding(Sliding::new(span))
    }

    /// Start of the bucket in which `time` lies.
    pub fn start(self, time: i64) -> i64 {
        match self {
            Cut::Sliding(sliding) => sliding.start(time),
            Cut::Calendar(calendar) => calendar.start(time),
        }
    }

    /// Start of the oldest bucket that reaches into the window at `now`.
    pub fn oldest(self, now: i64) -> i64 {
        match self {
            Cut::Sliding(sliding) => sliding.oldest(now),
            Cut::Calendar(calendar) => calendar.start(now),
        }
    }

    /// First instant that lies in the window at `now`.
    pub fn since(self, now: i64) -> i64 {
        match self {
            Cut::Sliding(sliding) => sliding.since(now),
            Cut::Calendar(calendar) => calendar.start(now),
        }
    }

    /// First instant behind the buckets that have begun at `now`.
    pub fn ahead(self, now: i64) -> i64 {
        match self {
            Cut::Sliding(sliding) => sliding.ahead(now),
            Cut::Calendar(calendar) => calendar.next(now),
        }
    }

    /// Number of folds that are kept with their times; none where buckets are exact.
    pub(super) fn kept(self) -> usize {
        match self {
            Cut::Sliding(_) => KEPT,
            Cut::Calendar(_) => 0,
        }
    }
}
