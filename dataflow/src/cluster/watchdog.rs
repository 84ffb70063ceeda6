//! The watchdog of a process that nobody supervises: it ends the process when its worker loop stands still.
//!
//! It judges as a supervisor does. The other processes of the cluster then lose their peer and end too, and whatever
//! starts the `worker`s starts all of them again.
//!
//! **Limit**: a process that is stopped as a whole has no watchdog that runs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::exit::HUNG;
use super::liveness::{Limits, Liveness, Overdue};
use super::pulse::{BEAT, Pulse};
use super::run_delay;

/// Longest standstill of a worker loop.
const HANG_AFTER: Duration = Duration::from_secs(10);
/// Longest time from the forming of the cluster to the first iteration.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Delay of the watchdog itself beyond which the process as a whole was stopped, and the loop gets a new deadline.
const OVERSLEPT: Duration = Duration::from_secs(2);

/// A running watchdog; dropping it stops it.
#[derive(Debug)]
pub struct Watchdog {
    _running: Sender<()>,
}

impl Watchdog {
    /// Watches the loop that increments `ticks`, whose first iteration may come `form_within` and a minute later.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub fn start(ticks: Arc<AtomicU64>, form_within: Duration) -> std::io::Result<Self> {
        let limits = Limits { start_within: form_within + START_WITHIN, hang_after: HANG_AFTER };
        let (running, stopped) = channel();
        let mut watch = Watch::new(Pulse::new(ticks, run_delay::of_workers), limits, Instant::now());
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch.run(&stopped))?;
        Ok(Self { _running: running })
    }
}

/// What a watchdog has seen.
struct Watch {
    pulse: Pulse,
    liveness: Liveness,
    limits: Limits,
    looked: Instant,
}

impl Watch {
    fn new(pulse: Pulse, limits: Limits, now: Instant) -> Self {
        Self { pulse, liveness: Liveness::new(now), limits, looked: now }
    }

    fn run(&mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            if let Some(overdue) = self.look(Instant::now()) {
                let Limits { start_within, hang_after } = self.limits;
                match overdue {
                    Overdue::Start => {
                        tracing::error!(exit = HUNG, "the worker loop did not begin within {start_within:?}");
                    }
                    Overdue::Heartbeat => {
                        tracing::error!(exit = HUNG, "the worker loop stood still for {hang_after:?}");
                    }
                }
                #[expect(clippy::disallowed_methods, reason = "the threads that could return an error hang")]
                std::process::exit(HUNG)
            }
        }
    }

    /// Looks after the loop; returns what it is overdue for.
    fn look(&mut self, now: Instant) -> Option<Overdue> {
        if now.saturating_duration_since(self.looked) > BEAT + OVERSLEPT {
            self.liveness.forgive(now);
        }
        self.looked = now;
        if self.pulse.beat().is_some() {
            self.liveness.beat(now);
        }
        self.liveness.overdue(self.limits, now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    /// A watch whose loop makes iterations until `hangs_after`, both in beats; the beat at which it is overdue.
    fn overdue_at(begins_at: u32, hangs_after: u32, run_delay: fn() -> Duration) -> Option<(u32, Overdue)> {
        let (ticks, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let limits = Limits { start_within: 20 * BEAT, hang_after: 10 * BEAT };
        let mut watch = Watch::new(Pulse::new(Arc::clone(&ticks), run_delay), limits, start);
        (1..100).find_map(|beat| {
            if (begins_at..hangs_after).contains(&beat) {
                ticks.fetch_add(1, Ordering::Relaxed);
            }
            Some((beat, watch.look(start + beat * BEAT)?))
        })
    }

    #[test]
    fn a_loop_that_stands_still_is_overdue_and_one_that_turns_or_waits_for_a_processor_is_not() {
        let never = || Duration::ZERO;
        assert_eq!(overdue_at(1, 100, never), None);
        assert_eq!(overdue_at(19, 100, never), None);
        assert_eq!(overdue_at(100, 100, never), Some((20, Overdue::Start)));
        assert_eq!(overdue_at(1, 30, never), Some((39, Overdue::Heartbeat)));
        static WAITED: AtomicU64 = AtomicU64::new(0);
        let always = || Duration::from_millis(WAITED.fetch_add(300, Ordering::Relaxed));
        assert_eq!(overdue_at(1, 30, always), None);
    }

    #[test]
    fn a_process_that_was_stopped_as_a_whole_gets_a_new_deadline() {
        let (ticks, start) = (Arc::new(AtomicU64::new(1)), Instant::now());
        let limits = Limits { start_within: HANG_AFTER, hang_after: HANG_AFTER };
        let mut watch = Watch::new(Pulse::new(ticks, || Duration::ZERO), limits, start);
        assert_eq!(watch.look(start + BEAT), None);
        let later = start + 60 * HANG_AFTER;
        assert_eq!(watch.look(later), None);
        let beats = (1..100).find(|beat| watch.look(later + *beat * BEAT).is_some());
        assert_eq!(beats, Some(20), "and no more than that");
    }
}
