//! The sink around another sink, and the thread that works for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    SpoolConfig, SpoolStats,
    delivery::{Delivery, Now},
    log::SpoolLog,
    storage::Folder,
};
use crate::{
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Interval at which acknowledgements of the other sink are looked for while it holds triggers.
const POLL: Duration = Duration::from_millis(5);
/// Interval while nothing waits.
const IDLE: Duration = Duration::from_secs(1);
/// Pause before a spool that can't be opened is tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// Error of a sink with a spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The thread can't be started.
    #[error("spool: a thread can't be started: {0}; raise the limit of threads")]
    Thread(std::io::Error),
    /// The other sink has failed for good.
    #[error("{0}")]
    Sink(String),
}

impl From<SpoolError> for TriggerSinkError {
    fn from(error: SpoolError) -> Self {
        TriggerSinkError::failed(error)
    }
}

/// Sink that acknowledges what another sink has delivered, and what waits for it in the spool; the
/// [module](super) states the protocol.
pub struct SpoolingSink {
    kind: &'static str,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    config: SpoolConfig,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// Accepted, and not yet with the thread.
    arriving: VecDeque<Trigger>,
    accepted: u64,
    acknowledged: u64,
    /// Bytes of the triggers that are accepted and not acknowledged.
    bytes: u64,
    acknowledged_bytes: u64,
    stats: SinkStats,
    spool: SpoolStats,
    failure: Option<String>,
    stopped: bool,
}

impl SpoolingSink {
    /// Starts the thread. A spool that can't be opened is tried again; until then nothing is delivered.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub fn start(inner: Box<dyn TriggerSink + Send>, config: SpoolConfig) -> Result<Self, SpoolError> {
        let kind = inner.kind();
        let shared = Arc::new(Shared { config, state: Mutex::default(), wake: Condvar::new() });
        let working = Arc::clone(&shared);
        let run = move || working.run(inner);
        let thread =
            thread::Builder::new().name("spool".to_owned()).spawn(run).map_err(SpoolError::Thread)?;
        Ok(SpoolingSink { kind, shared, thread: Some(thread) })
    }
}

impl TriggerSink for SpoolingSink {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
        self.check()?;
        let mut state = self.shared.state();
        let (open, bytes) = (state.accepted - state.acknowledged, trigger.bytes() as u64);
        let SpoolConfig { queue, queue_bytes, .. } = &self.shared.config;
        let has_room = open < *queue as u64 && state.bytes + bytes <= *queue_bytes as u64;
        // Without the first condition a trigger larger than the bound would wait for ever.
        if open > 0 && !has_room {
            return Ok(Sent::Full);
        }
        state.accepted += 1;
        state.bytes += bytes;
        state.arriving.push_back(trigger.clone());
        self.shared.wake.notify_one();
        Ok(Sent::Accepted(state.accepted))
    }

    fn accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    fn acknowledged(&self) -> u64 {
        self.shared.state().acknowledged
    }

    fn stats(&self) -> SinkStats {
        let state = self.shared.state();
        SinkStats { queued: state.accepted - state.acknowledged + state.spool.triggers, ..state.stats }
    }

    fn spool(&self) -> Option<SpoolStats> {
        Some(self.shared.state().spool)
    }

    fn check(&self) -> Result<(), TriggerSinkError> {
        match &self.shared.state().failure {
            Some(reason) => Err(SpoolError::Sink(reason.clone()).into()),
            None => Ok(()),
        }
    }
}

impl Drop for SpoolingSink {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.wake.notify_one();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(receiver = self.shared.config.receiver, "the thread of a spool panicked");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, inner: Box<dyn TriggerSink + Send>) {
        let started = Instant::now();
        let now = || Now {
            elapsed: started.elapsed().as_millis() as u64,
            unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64),
        };
        let Some(log) = self.open() else { return };
        let mut delivery = Delivery::new(inner, log, &self.config, now());
        while let Some(arrived) = self.wait(if delivery.is_idle() { IDLE } else { POLL }) {
            let taken = now();
            arrived.into_iter().for_each(|trigger| delivery.take(trigger, taken));
            let worked = delivery.work(now());
            self.publish(&delivery);
            if let Err(error) = worked {
                self.state().failure = Some(error.to_string());
                return;
            }
        }
    }

    /// Opens the spool, as often as it takes; `None` if the sink is dropped meanwhile.
    fn open(&self) -> Option<SpoolLog<Folder>> {
        let mut folder = Folder::new(&self.config.folder);
        let mut failed = false;
        loop {
            match SpoolLog::open(folder, self.config.max_bytes) {
                Ok(log) => return Some(log),
                Err((closed, error)) => {
                    folder = closed;
                    if !std::mem::replace(&mut failed, true) {
                        let (receiver, folder) = (&self.config.receiver, self.config.folder.display());
                        tracing::error!(receiver, %folder, %error, "the spool can't be opened; triggers are held back until it can");
                    }
                }
            }
            let wait = |state: &mut State| !state.stopped;
            let waited = self.wake.wait_timeout_while(self.state(), REOPEN, wait);
            if waited.unwrap_or_else(PoisonError::into_inner).0.stopped {
                return None;
            }
        }
    }

    /// Waits for triggers, for `longest` at most, and takes them; `None` once the sink is dropped.
    fn wait(&self, longest: Duration) -> Option<VecDeque<Trigger>> {
        let wait = |state: &mut State| state.arriving.is_empty() && !state.stopped;
        let waited = self.wake.wait_timeout_while(self.state(), longest, wait);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.stopped { None } else { Some(std::mem::take(&mut state.arriving)) }
    }

    fn publish(&self, delivery: &Delivery<Folder>) {
        let (acknowledged, bytes) = delivery.acknowledged();
        let mut state = self.state();
        state.bytes -= bytes - state.acknowledged_bytes;
        (state.acknowledged, state.acknowledged_bytes) = (acknowledged, bytes);
        (state.stats, state.spool) = (delivery.stats(), delivery.spool_stats());
    }
}
