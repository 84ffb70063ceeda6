//! The circuit breaker of a receiver: decides from deliveries and waiting times whether the receiver is there.

/// State of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// The receiver takes triggers.
    #[default]
    Closed,
    /// It takes triggers again, and first those that are spooled.
    HalfOpen,
    /// It takes none.
    Open,
}

/// What the breaker looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// Triggers delivered since the start.
    pub(super) delivered: u64,
    /// Instant since which the oldest unacknowledged trigger waits in memory, ms.
    pub(super) waiting_since: Option<u64>,
    /// Whether the other sink holds triggers.
    pub(super) outstanding: bool,
    /// Whether the log holds triggers.
    pub(super) spooled: bool,
}

/// A breaker; times are ms of any clock that never goes back.
#[derive(Debug)]
pub(super) struct Breaker {
    state: BreakerState,
    /// Longest wait for an acknowledgement, ms.
    after: u64,
    delivered: u64,
    /// Instant of the last delivery seen, or of the last change of the state.
    since: u64,
}

impl Breaker {
    pub(super) fn new(state: BreakerState, after: u64, now: u64) -> Self {
        Breaker { state, after, delivered: 0, since: now }
    }

    pub(super) fn state(&self) -> BreakerState {
        self.state
    }

    /// Takes an observation; returns the new state if it changes.
    pub(super) fn observe(&mut self, now: u64, seen: Observation) -> Option<BreakerState> {
        let progress = seen.delivered > self.delivered;
        if progress {
            (self.delivered, self.since) = (seen.delivered, now);
        }
        let late = |since: u64| now.saturating_sub(since) >= self.after;
        let idle = !seen.spooled && !seen.outstanding && seen.waiting_since.is_none();
        let state = match self.state {
            BreakerState::Closed if seen.waiting_since.is_some_and(late) => BreakerState::Open,
            BreakerState::Open if progress || idle => BreakerState::HalfOpen,
            BreakerState::HalfOpen if !seen.spooled => BreakerState::Closed,
            BreakerState::HalfOpen if seen.outstanding && late(self.since) => BreakerState::Open,
            unchanged => unchanged,
        };
        let changes = state != self.state;
        if changes {
            (self.state, self.since) = (state, now);
        }
        changes.then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Observation =
        Observation { delivered: 0, waiting_since: None, outstanding: false, spooled: false };

    #[test]
    fn a_wait_opens_it_a_delivery_half_and_an_empty_log_closes_it() {
        let mut breaker = Breaker::new(BreakerState::Closed, 100, 0);
        let waiting = Observation { waiting_since: Some(10), outstanding: true, ..QUIET };
        assert_eq!(breaker.observe(109, waiting), None);
        assert_eq!(breaker.observe(110, waiting), Some(BreakerState::Open));
        let spooled = Observation { outstanding: true, spooled: true, ..QUIET };
        assert_eq!(breaker.observe(5_000, spooled), None);
        let delivered = Observation { delivered: 1, ..spooled };
        assert_eq!(breaker.observe(5_001, delivered), Some(BreakerState::HalfOpen));
        assert_eq!(breaker.observe(5_100, delivered), None);
        assert_eq!(breaker.observe(5_101, delivered), Some(BreakerState::Open), "nothing for 100 ms");
        assert_eq!(
            breaker.observe(6_000, Observation { delivered: 2, ..spooled }),
            Some(BreakerState::HalfOpen)
        );
        assert_eq!(breaker.observe(6_001, Observation { delivered: 2, ..QUIET }), Some(BreakerState::Closed));
    }

    #[test]
    fn what_is_given_up_rather_than_delivered_does_not_leave_it_open() {
        let mut breaker = Breaker::new(BreakerState::Open, 100, 0);
        assert_eq!(breaker.observe(1, QUIET), Some(BreakerState::HalfOpen));
        assert_eq!(breaker.observe(1, QUIET), Some(BreakerState::Closed));
    }
}
