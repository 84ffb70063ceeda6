//! The sink: its queue, its delivery threads, and the life of a trigger in them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    backoff::Backoff,
    client::{Attempt, Failure, WebhookClient, now_ms},
    config::WebhookConfig,
    dead_letters::{DeadLetter, DeadLetterFile},
    error::WebhookError,
    queue::{Job, Queue, Settled, WebhookStats},
};
use crate::outgoing::{Outgoing, Sent};

/// A dead letter that can't be written is tried again so often.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(1);

/// Posts triggers. Dropping it stops it: requests under way are ended, what is still queued is left unsettled.
pub struct WebhookSink {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the delivery threads share.
struct Shared {
    queue: Queue,
    client: WebhookClient,
    dead_letters: DeadLetterFile,
    backoff: Backoff,
    attempts: u32,
    url: String,
    /// Whether the last attempt failed, so that a receiver that is away is logged once and not once a trigger.
    failing: AtomicBool,
}

impl WebhookSink {
    /// Checks the configuration and starts the delivery threads. The receiver need not be up.
    ///
    /// # Errors
    /// If a field can't be used, the dead-letter file can't be written, or the system gives no thread.
    pub fn start(config: &WebhookConfig) -> Result<Self, WebhookError> {
        config.validate()?;
        let dead_letters = DeadLetterFile::new(&config.dead_letters);
        dead_letters.check()?;
        let shared = Arc::new(Shared {
            queue: Queue::new(config.concurrency, config.queue, config.queue_bytes),
            client: WebhookClient::new(config)?,
            dead_letters,
            backoff: Backoff {
                first: Duration::from_millis(config.first_backoff_ms),
                longest: Duration::from_millis(config.longest_backoff_ms),
            },
            attempts: config.attempts,
            url: config.shown_url(),
            failing: AtomicBool::new(false),
        });
        // Made first, so that threads already started are stopped when a later one can't be.
        let mut sink = WebhookSink { shared, threads: Vec::with_capacity(config.concurrency) };
        for lane in 0..config.concurrency {
            let shared = Arc::clone(&sink.shared);
            let thread = thread::Builder::new()
                .name(format!("webhook-{lane}"))
                .spawn(move || shared.deliver_all(lane))
                .map_err(WebhookError::Thread)?;
            sink.threads.push(thread);
        }
        Ok(sink)
    }

    /// Queues a trigger; never waits. A full queue hands it back: the caller holds its input back and sends it again,
    /// before any later one, once [`WebhookSink::wait_room`] says so.
    pub fn send(&self, outgoing: Outgoing) -> Sent {
        self.shared.queue.push(outgoing)
    }

    /// Waits until a trigger of this size would be accepted; `false` if it takes longer than `longest`.
    #[must_use]
    pub fn wait_room(&self, outgoing: &Outgoing, longest: Duration) -> bool {
        self.shared.queue.wait_room(outgoing.bytes(), longest)
    }

    /// The last sequence number given, 0 before the first.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.queue.accepted()
    }

    /// All triggers up to this sequence number are delivered, or lie synced in the dead-letter file: the offsets behind
    /// them may be committed.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.shared.queue.settled()
    }

    /// Waits until everything up to `sequence` is settled; `false` if it takes longer than `longest`.
    #[must_use]
    pub fn wait_settled(&self, sequence: u64, longest: Duration) -> bool {
        self.shared.queue.wait_settled(sequence, longest)
    }

    /// Waits until everything accepted so far is settled; `false` if it takes longer than `longest`.
    #[must_use]
    pub fn flush(&self, longest: Duration) -> bool {
        self.wait_settled(self.accepted(), longest)
    }

    /// Figures since the start.
    #[must_use]
    pub fn stats(&self) -> WebhookStats {
        self.shared.queue.stats()
    }
}

impl Drop for WebhookSink {
    fn drop(&mut self) {
        self.shared.queue.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(url = self.shared.url, "a delivery thread panicked");
            }
        }
    }
}

impl Shared {
    fn deliver_all(&self, lane: usize) {
        while let Some(job) = self.queue.take(lane) {
            self.deliver(lane, &job);
        }
    }

    /// Tries one trigger until it is settled or the sink is stopped.
    fn deliver(&self, lane: usize, job: &Job) {
        for attempt in 1u32.. {
            let (failure, after) = match self.client.attempt(&job.outgoing) {
                Attempt::Delivered => {
                    self.log_recovery();
                    return self.queue.settle(job, Settled::Delivered);
                }
                Attempt::Refused(failure) => return self.bury(lane, job, attempt, failure),
                Attempt::Failed { failure, after } => (failure, after),
            };
            self.log_failure(&failure);
            if attempt >= self.attempts {
                return self.bury(lane, job, attempt, failure);
            }
            if !self.queue.pause(lane, self.backoff.wait(attempt, rand::random(), after)) {
                return;
            }
            self.queue.count_retry();
        }
    }

    /// Writes a dead letter; it is settled only once it is on disk, however long that takes.
    fn bury(&self, lane: usize, job: &Job, attempts: u32, failure: Failure) {
        let Failure { reason, answer } = failure;
        tracing::warn!(
            trigger = job.outgoing.id,
            url = self.url,
            attempts,
            reason,
            "a trigger goes to the dead letters"
        );
        let letter = DeadLetter {
            at: now_ms(),
            url: self.url.clone(),
            attempts,
            last_error: if answer.is_empty() { reason } else { format!("{reason}: {answer}") },
            trigger: job.outgoing.clone(),
        };
        while let Err(error) = self.dead_letters.append(&letter) {
            tracing::error!(trigger = job.outgoing.id, %error, "a dead letter can't be written; it is tried again");
            if !self.queue.pause(lane, DEAD_LETTER_RETRY) {
                return;
            }
        }
        self.queue.settle(job, Settled::Dead);
    }

    fn log_failure(&self, failure: &Failure) {
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!(url = self.url, reason = failure.reason, "an attempt failed");
        } else {
            tracing::warn!(
                url = self.url,
                reason = failure.reason,
                "the webhook fails; triggers are tried again"
            );
        }
    }

    fn log_recovery(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(url = self.url, "the webhook takes triggers again");
        }
    }
}
