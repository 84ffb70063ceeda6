//! The thread that follows the binlog, and its reaction to failures.
//!
//! A server that is away is retried with growing pauses of up to 5 s. A position from which reading can't
//! continue, or at which it breaks off three times in a row, leads to a new snapshot. A fault that needs
//! intervention is reported at once and every 30 s. Only a clash of server ids ends the thread: two engines
//! that reconnect would disconnect each other for ever.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use super::{
    connect::Failure,
    session::{Message, Session},
};
use crate::{SourceError, contained::contain};

/// First and longest pause before another attempt.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Interval at which a fault that needs intervention is reported again.
const REMIND: Duration = Duration::from_secs(30);
/// A session of this length counts as a success, and resets the number of failures.
const STEADY: Duration = Duration::from_secs(10);

/// Starts the thread. It ends when the receiver is dropped, or after a clash of server ids.
pub(super) fn start(session: Session) -> Result<(), SourceError> {
    let label = session.database.label.clone();
    let failed = |error: std::io::Error| SourceError::Thread {
        name: label.clone(),
        what: format!("could not be started ({error})"),
    };
    let mut runtime = runtime().map_err(failed)?;
    let mut reader = Reader { session, failures: 0, reminded: None };
    let run = move || {
        let sender = reader.session.sender.clone();
        loop {
            // The driver panics on a truncated event.
            let attempt = contain(|| {
                runtime.block_on(async {
                    tokio::select! {
                        () = sender.closed() => None,
                        failure = reader.attempt() => failure,
                    }
                })
            });
            let ended = match attempt {
                Some(None) => true,
                Some(Some(())) => false,
                None => {
                    reader.failures += 1;
                    tracing::warn!("an event could not be read; connecting again");
                    false
                }
            };
            if ended {
                // Dropping the runtime would wait for a lookup of a host name, which can't be cancelled.
                runtime.shutdown_background();
                return;
            }
            if let Ok(fresh) = self::runtime() {
                std::mem::replace(&mut runtime, fresh).shutdown_background();
            }
        }
    };
    thread::Builder::new().name("rules.mysql".to_owned()).spawn(run).map_err(failed).map(drop)
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

struct Reader {
    session: Session,
    /// Consecutive failures.
    failures: u32,
    reminded: Option<Instant>,
}

impl Reader {
    /// Runs one session until it fails, after the pause for earlier failures; `None` if the thread has to
    /// end.
    async fn attempt(&mut self) -> Option<()> {
        tokio::time::sleep(self.pause()).await;
        let begun = Instant::now();
        self.session.progress = 0;
        let failure = self.session.run().await;
        if self.session.progress > 0 || begun.elapsed() > STEADY {
            self.recovered();
        }
        self.failures += 1;
        let store = &self.session.database.label;
        match failure {
            Failure::Away(reason) => {
                if !self.session.outage {
                    tracing::warn!(%store, %reason, "the rules' database is away; rules stay as they are");
                    self.session.sender.send(Message::Away(reason)).await.ok()?;
                }
                self.session.outage = true;
            }
            Failure::Gap(reason) => {
                tracing::warn!(%store, %reason, "changes of rules can't be followed one by one; reading all rules");
            }
            Failure::Refused(fault) => {
                if self.reminded.is_none_or(|at| at.elapsed() > REMIND) {
                    self.reminded = Some(Instant::now());
                    self.session.sender.send(Message::Refused(fault)).await.ok()?;
                }
            }
            Failure::Fatal(fault) => {
                self.session.sender.send(Message::Fatal(fault)).await.ok()?;
                return None;
            }
        }
        Some(())
    }

    fn recovered(&mut self) {
        self.failures = 0;
        self.reminded = None;
    }

    /// Pause before the next attempt: random, between half of a bound and the bound, which doubles with every
    /// failure up to `LONGEST_PAUSE`, so that engines do not reconnect all at once.
    fn pause(&self) -> Duration {
        if self.failures == 0 {
            return Duration::ZERO;
        }
        let longest = PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        longest.mul_f64(rand::random_range(0.5..1.0))
    }
}
