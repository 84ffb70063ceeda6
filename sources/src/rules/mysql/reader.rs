//! The thread that follows the binlog, and what it does when that fails.
//!
//! A server that is away is tried again and again, ever more rarely up to every 5 s; a position that can't be gone on
//! from, or where reading breaks off three times in a row, makes a new snapshot; what somebody has to mend is said at
//! once and every 30 s. Only a clash of server ids ends it: two engines that came back would throw each other out for
//! ever.

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

/// The first pause before another attempt, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often somebody is reminded.
const REMIND: Duration = Duration::from_secs(30);
/// What was followed for so long did not fail at once.
const STEADY: Duration = Duration::from_secs(10);

/// Starts the thread. It ends when nobody receives any more.
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
            // The driver does not expect an event to be cut off.
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
                // Looking up a host's name can't be broken off.
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
    /// Failures in a row.
    failures: u32,
    reminded: Option<Instant>,
}

impl Reader {
    /// Follows until something fails, and waits as long as that calls for; `None` if it is no use to go on.
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
                }
                self.session.outage = true;
            }
            Failure::Gap(reason) => {
                tracing::warn!(%store, %reason, "changes of rules can't be told one by one; reading all rules");
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

    /// Twice as long after every failure, give or take a half, so that engines do not come back all at once.
    fn pause(&self) -> Duration {
        if self.failures == 0 {
            return Duration::ZERO;
        }
        let longest = PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        longest.mul_f64(rand::random_range(0.5..1.0))
    }
}
