//! The error budget: the number of calls of a rule that may fail within a minute.

use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(60);

/// Failing calls of one rule in the minute that began with the first of them.
#[derive(Debug, Default)]
pub(super) struct Failures {
    since: Option<Instant>,
    count: u64,
}

impl Failures {
    /// Adds failing calls; returns whether there are now more than `budget` in the minute.
    pub(super) fn exceed(&mut self, budget: u64, count: u64, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > SPAN) {
            *self = Failures { since: Some(now), count: 0 };
        }
        self.count += count;
        self.count > budget
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_that_of_one_minute() {
        let start = Instant::now();
        let mut failures = Failures::default();
        assert!(!failures.exceed(10, 6, start));
        assert!(!failures.exceed(10, 4, start + SPAN));
        assert!(failures.exceed(10, 1, start + SPAN));
        let later = start + 2 * SPAN;
        assert!(!failures.exceed(10, 10, later), "another minute");
        assert!(failures.exceed(10, 1, later));
    }
}
