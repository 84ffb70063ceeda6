//! The sink: its queue, its delivery threads, and the delivery of a trigger.

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
    error::WebhookError,
    queue::{Job, Outcome, Queue},
};
use crate::{
    dead_letters::{DeadLetter, DeadLetterFile},
    trigger::Trigger,
    trigger_sink::{Sent, SinkStats, TriggerSink, TriggerSinkError},
};

/// Pause between two attempts at writing a dead letter.
const DEAD_LETTER_RETRY: Duration = Duration::from_secs(1);

/// Sink that sends triggers as HTTP requests from delivery threads.
///
/// Dropping it finishes the requests under way and leaves the rest of the queue unacknowledged. It never
/// fails permanently: while a receiver is away, triggers become dead letters and do not fill the queue, or wait
/// in the [spool](crate::spool) around it.
///
/// ```
/// use std::{
///     io::{self, BufRead, BufReader, Write},
///     net::TcpListener,
///     thread,
/// };
///
/// use strateye_sinks::{
///     Sent, Trigger, TriggerSink,
///     webhook::{WebhookConfig, WebhookSink},
/// };
///
/// let receiver = TcpListener::bind("127.0.0.1:0")?;
/// let (url, folder) = (format!("http://{}/hook", receiver.local_addr()?), tempfile::tempdir()?);
/// let received = thread::spawn(move || -> io::Result<String> {
///     let (mut connection, mut request) = (receiver.accept()?.0, String::new());
///     BufReader::new(&connection).read_line(&mut request)?;
///     connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
///     Ok(request)
/// });
/// let sink = WebhookSink::start(&WebhookConfig::new(url, folder.path().join("dead-letters.jsonl")))?;
/// let trigger = Trigger { id: "t-1".into(), key: "1001".into(), line: r#"{"trigger_id": "t-1"}"#.into(), ..Trigger::default() };
/// assert_eq!(sink.send(&trigger)?, Sent::Accepted(1));
/// assert_eq!(received.join().unwrap()?, "POST /hook HTTP/1.1\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WebhookSink {
    delivery: Arc<Delivery>,
    threads: Vec<JoinHandle<()>>,
}

/// State shared by the sink and its delivery threads.
struct Delivery {
    queue: Queue,
    client: WebhookClient,
    dead_letters: DeadLetterFile,
    backoff: Backoff,
    attempts: u32,
    /// Whether triggers may wait for a receiver that is away.
    has_spool: bool,
    url: String,
    /// Whether the last attempt failed: a receiver that is away is logged once, not once per trigger.
    failing: AtomicBool,
}

impl WebhookSink {
    /// Checks the configuration and starts the delivery threads. The receiver need not be up.
    ///
    /// # Errors
    /// If a field is invalid, the dead-letter file can't be written, or a thread can't be started.
    pub fn start(config: &WebhookConfig) -> Result<Self, WebhookError> {
        Self::open(config, false)
    }

    /// Like [`start`](Self::start), for a sink with a spool, in which triggers wait for a receiver that is away:
    /// attempts that fail for that reason do not count, unless the receiver has taken another trigger meanwhile.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_with_spool(config: &WebhookConfig) -> Result<Self, WebhookError> {
        Self::open(config, true)
    }

    fn open(config: &WebhookConfig, has_spool: bool) -> Result<Self, WebhookError> {
        config.validate()?;
        let dead_letters = DeadLetterFile::new(&config.dead_letters);
        dead_letters.check()?;
        let delivery = Arc::new(Delivery {
            queue: Queue::new(config.concurrency, config.queue, config.queue_bytes),
            client: WebhookClient::new(config)?,
            dead_letters,
            backoff: Backoff {
                first: Duration::from_millis(config.first_backoff_ms),
                longest: Duration::from_millis(config.longest_backoff_ms),
            },
            attempts: config.attempts,
            has_spool,
            url: config.shown_url(),
            failing: AtomicBool::new(false),
        });
        // Created first, so that the threads already started are stopped if a later one can't be started.
        let mut sink = WebhookSink { delivery, threads: Vec::with_capacity(config.concurrency) };
        for lane in 0..config.concurrency {
            let delivery = Arc::clone(&sink.delivery);
            let thread = thread::Builder::new()
                .name(format!("webhook-{lane}"))
                .spawn(move || delivery.deliver_all(lane))
                .map_err(WebhookError::Thread)?;
            sink.threads.push(thread);
        }
        Ok(sink)
    }
}

impl TriggerSink for WebhookSink {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn send(&self, trigger: &Trigger) -> Result<Sent, TriggerSinkError> {
        Ok(self.delivery.queue.push(trigger))
    }

    fn accepted(&self) -> u64 {
        self.delivery.queue.accepted()
    }

    fn acknowledged(&self) -> u64 {
        self.delivery.queue.acknowledged()
    }

    fn stats(&self) -> SinkStats {
        self.delivery.queue.stats()
    }
}

/// Time for which a trigger may still be delivered.
fn left(trigger: &Trigger) -> Duration {
    trigger.expires.map_or(Duration::MAX, |expires| Duration::from_millis(expires.saturating_sub(now_ms())))
}

impl Drop for WebhookSink {
    fn drop(&mut self) {
        self.delivery.queue.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(url = self.delivery.url, "a delivery thread panicked");
            }
        }
    }
}

impl Delivery {
    fn deliver_all(&self, lane: usize) {
        while let Some(job) = self.queue.take(lane) {
            self.deliver(lane, &job);
        }
    }

    /// Tries one trigger until it is delivered or a dead letter, or the sink is stopped.
    fn deliver(&self, lane: usize, job: &Job) {
        let trigger = &job.trigger;
        let (mut counted, mut delivered) = (0, self.queue.delivered());
        for attempt in 1u32.. {
            if trigger.is_expired(now_ms()) {
                let letter = DeadLetter::expired(trigger, &self.url, now_ms(), attempt - 1);
                return self.bury(lane, job, &letter, Outcome::Expired);
            }
            let (failure, after, is_away) = match self.client.attempt(trigger) {
                Attempt::Delivered => {
                    self.log_recovery();
                    return self.queue.acknowledge(job, Outcome::Delivered);
                }
                Attempt::Refused(failure) => {
                    return self.bury(lane, job, &self.letter(trigger, attempt, failure), Outcome::Dead);
                }
                Attempt::Failed { failure, after, is_away } => (failure, after, is_away),
            };
            self.log_failure(&failure);
            let before = std::mem::replace(&mut delivered, self.queue.delivered());
            if !self.has_spool || !is_away || delivered > before {
                counted += 1;
            }
            if counted >= self.attempts {
                return self.bury(lane, job, &self.letter(trigger, attempt, failure), Outcome::Dead);
            }
            let wait = self.backoff.wait(attempt, rand::random(), after).min(left(trigger));
            if !self.queue.pause(lane, wait, after.is_none()) {
                return;
            }
            self.queue.count_retry();
        }
    }

    fn letter(&self, trigger: &Trigger, attempts: u32, failure: Failure) -> DeadLetter {
        let Failure { reason, answer } = failure;
        let last_error = if answer.is_empty() { reason } else { format!("{reason}: {answer}") };
        DeadLetter { at: now_ms(), url: self.url.clone(), attempts, last_error, trigger: trigger.clone() }
    }

    /// Writes a dead letter. The trigger is acknowledged only once the letter is synced; failed writes are
    /// retried every second until then.
    fn bury(&self, lane: usize, job: &Job, letter: &DeadLetter, outcome: Outcome) {
        let DeadLetter { url, attempts, last_error, trigger, .. } = letter;
        // Without the answer, which may quote the request.
        let reason = last_error.split(": ").next().unwrap_or_default();
        tracing::warn!(trigger = trigger.id, url, attempts, reason, "a trigger goes to the dead letters");
        while let Err(error) = self.dead_letters.append(letter) {
            tracing::error!(trigger = trigger.id, %error, "a dead letter can't be written; it is tried again");
            if !self.queue.pause(lane, DEAD_LETTER_RETRY, false) {
                return;
            }
        }
        self.queue.acknowledge(job, outcome);
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
            self.queue.recover();
        }
    }
}
