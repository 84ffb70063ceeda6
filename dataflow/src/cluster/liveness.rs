//! Liveness of a process: a pure decision of its supervisor, or of its [watchdog](super::watchdog).
//!
//! Until its first heartbeat a process has `start_within`, counted from its start: it reads its configuration,
//! forms the cluster and starts to restore. From then on it must not be silent for `hang_after`.

use std::time::{Duration, Instant};

/// Longest silence of a process, before and after its first heartbeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) start_within: Duration,
    pub(super) hang_after: Duration,
}

/// The heartbeat for which a process is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Start,
    Heartbeat,
}

/// Time of the last heartbeat of one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    since: Instant,
    beaten: bool,
}

impl Liveness {
    pub(super) fn new(started: Instant) -> Self {
        Self { since: started, beaten: false }
    }

    /// Records a heartbeat.
    pub(super) fn beat(&mut self, now: Instant) {
        *self = Self { since: now, beaten: true };
    }

    /// Restarts the deadline: whoever watches was itself stopped or suspended and could not receive
    /// heartbeats.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.since = now;
    }

    /// Whether there was a heartbeat.
    pub(super) fn has_beaten(&self) -> bool {
        self.beaten
    }

    /// The instant at which silence becomes too long.
    pub(super) fn deadline(&self, limits: Limits) -> Instant {
        self.since + if self.beaten { limits.hang_after } else { limits.start_within }
    }

    /// Whether silence has been too long at `now`, and for which heartbeat.
    pub(super) fn overdue(&self, limits: Limits, now: Instant) -> Option<Overdue> {
        let kind = if self.beaten { Overdue::Heartbeat } else { Overdue::Start };
        (now >= self.deadline(limits)).then_some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_has_its_own_deadline_and_every_beat_gives_a_new_one() {
        let second = Duration::from_secs(1);
        let limits = Limits { start_within: 60 * second, hang_after: 10 * second };
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        assert_eq!(liveness.overdue(limits, start + 59 * second), None);
        assert_eq!(liveness.overdue(limits, start + 60 * second), Some(Overdue::Start));
        liveness.beat(start + 30 * second);
        assert_eq!(liveness.overdue(limits, start + 39 * second), None);
        assert_eq!(liveness.overdue(limits, start + 40 * second), Some(Overdue::Heartbeat));
        liveness.forgive(start + 100 * second);
        assert_eq!(liveness.overdue(limits, start + 109 * second), None);
    }
}
