//! Restart policy of a failed cluster: a pure decision.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Limit of restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// No restarts: the first failure is final.
    Never,
    /// At most `max` restarts in any period of `within`.
    Limited {
        /// Most restarts.
        max: u32,
        /// The period.
        within: Duration,
    },
}

/// Reaction to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Restart { after: Duration },
    GiveUp { restarts: u32 },
}

/// The recent restarts, and the policy.
#[derive(Debug)]
pub(super) struct Restarts {
    policy: Restart,
    recent: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(policy: Restart) -> Self {
        Self { policy, recent: VecDeque::new() }
    }

    /// Decides about a failure at `now`. The first restart is immediate, later ones of the same period wait
    /// longer.
    pub(super) fn decide(&mut self, now: Instant) -> Decision {
        let Restart::Limited { max, within } = self.policy else { return Decision::GiveUp { restarts: 0 } };
        while self.recent.front().is_some_and(|first| now.saturating_duration_since(*first) >= within) {
            self.recent.pop_front();
        }
        let restarts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if restarts >= max {
            return Decision::GiveUp { restarts };
        }
        self.recent.push_back(now);
        let after = match restarts {
            0 => Duration::ZERO,
            more => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(16)).min(LONGEST_PAUSE),
        };
        Decision::Restart { after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_wait_longer_and_end_at_the_limit() {
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let mut restarts = Restarts::new(Restart::Limited { max: 3, within: minute });
        let pauses: Vec<_> =
            (0..4).map(|second| restarts.decide(start + Duration::from_secs(second))).collect();
        let restart = |millis| Decision::Restart { after: Duration::from_millis(millis) };
        assert_eq!(pauses, [restart(0), restart(100), restart(200), Decision::GiveUp { restarts: 3 }]);
        assert_eq!(restarts.decide(start + minute), restart(200), "the first has left the stretch");
        assert_eq!(restarts.decide(start + 3 * minute), restart(0));
    }

    #[test]
    fn never_is_never_and_pauses_are_bounded() {
        let now = Instant::now();
        assert_eq!(Restarts::new(Restart::Never).decide(now), Decision::GiveUp { restarts: 0 });
        let mut many = Restarts::new(Restart::Limited { max: 1000, within: Duration::from_secs(60) });
        let last = (0..1000).map(|_| many.decide(now)).last();
        assert_eq!(last, Some(Decision::Restart { after: LONGEST_PAUSE }));
    }
}
