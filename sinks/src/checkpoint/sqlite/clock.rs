//! Clock of the leases: the time since the machine was started.
//!
//! All processes that have the file open run on one machine and share this clock, and nobody sets it, as people and
//! network time do with the wall clock. Where the machine was started anew, no owner of before lives.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::checkpoint::milliseconds;

/// An instant since a start of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SinceStart {
    /// The start: another id each time; empty where the system has none.
    pub(super) start: String,
    /// Time since then, ms; it goes on while the machine sleeps.
    pub(super) ms: u64,
}

impl SinceStart {
    /// The present instant.
    pub(super) fn now() -> Self {
        let start = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        let since = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0));
        SinceStart { start: start.trim().to_owned(), ms: milliseconds(since) }
    }

    /// The instant a lease later.
    pub(super) fn after(self, lease: Duration) -> Self {
        SinceStart { ms: self.ms + milliseconds(lease), ..self }
    }

    /// Time that is left until `end`, ms; 0 if it has passed, or the machine was started since.
    pub(super) fn left_until(&self, end: &SinceStart) -> u64 {
        if self.start == end.start { end.ms.saturating_sub(self.ms) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_for_its_length_and_no_longer_than_the_machine_runs() {
        let now = SinceStart { start: "a".to_owned(), ms: 5_000 };
        let end = now.clone().after(Duration::from_millis(300));
        assert_eq!(now.left_until(&end), 300);
        assert_eq!(SinceStart { ms: 5_300, ..now.clone() }.left_until(&end), 0);
        assert_eq!(SinceStart { ms: 9_000, ..now }.left_until(&end), 0);
        assert_eq!(SinceStart { start: "b".to_owned(), ms: 1 }.left_until(&end), 0);
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let first = SinceStart::now();
        let second = SinceStart::now();
        assert!(first.start == second.start && first.ms > 0 && second.ms >= first.ms);
    }
}
