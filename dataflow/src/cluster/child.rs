//! The child's side of the control socket.
//!
//! The worker loop increments a counter at every iteration. A thread sends a heartbeat if the counter has
//! changed since the last one, or if the worker has waited for a processor for most of the time; so a worker
//! loop that hangs shows as silence, just as a stopped process does, and one that is only slow does not. Another
//! thread receives the order to stop.
//!
//! Invariants:
//! - [`ChildLink::send`] never blocks: messages wait in a bounded queue, and a full one is an error the
//!   caller sees.
//! - A message that is too long for the socket is dropped and logged; the link continues.
//! - When the supervisor is gone the process exits with [`SUPERVISOR_LOST`](super::SUPERVISOR_LOST): no child
//!   is orphaned. On Linux the kernel ensures this even for a stopped child.
//! - Dropping the link first sends what is queued.

use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::address::{AddressError, control_path};
use super::assignment::Assignment;
use super::control::{self, Body, Order, Report};
use super::exit::SUPERVISOR_LOST;
use super::generation::ClusterGeneration;
use super::pulse::{BEAT, Pulse};
use super::run_delay;

const WRITE_WITHIN: Duration = Duration::from_millis(500);
const QUEUE: usize = 1024;

enum Outgoing {
    Message(Value),
    Close,
}

/// The connection to the supervisor.
pub struct ChildLink {
    outgoing: SyncSender<Outgoing>,
    stopping: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    stream: UnixStream,
    writer: Option<JoinHandle<()>>,
}

impl ChildLink {
    /// Connects, and starts to send heartbeats whenever `ticks` changes.
    ///
    /// Only for a process that a supervisor started: the process will be killed when its parent ends.
    pub fn connect(assignment: &Assignment, ticks: Arc<AtomicU64>) -> Result<Self, ChildError> {
        #[cfg(target_os = "linux")]
        if let Err(error) =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        {
            tracing::warn!(%error, "the kernel will not end this process with its supervisor");
        }
        Self::connect_with(assignment, ticks, run_delay::of_workers, || {
            tracing::error!("the supervisor is gone, exiting");
            #[expect(clippy::disallowed_methods, reason = "there is nobody left to report to")]
            std::process::exit(SUPERVISOR_LOST)
        })
    }

    /// Connects; `run_delay` tells how long worker threads have waited for a processor, and `on_lost` runs when
    /// the supervisor is gone.
    fn connect_with(
        assignment: &Assignment,
        ticks: Arc<AtomicU64>,
        run_delay: fn() -> Duration,
        on_lost: impl FnOnce() + Send + 'static,
    ) -> Result<Self, ChildError> {
        let path = control_path(&assignment.directory)?;
        let connect = || -> io::Result<(UnixStream, UnixStream, UnixStream)> {
            let stream = UnixStream::connect(&path)?;
            stream.set_write_timeout(Some(WRITE_WITHIN))?;
            Ok((stream.try_clone()?, stream.try_clone()?, stream))
        };
        let (read, write, stream) = connect().map_err(ChildError::Connect)?;
        let (outgoing, queue) = sync_channel(QUEUE);
        let (stopping, closed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut writer =
            ReportWriter::new(assignment, write, Pulse::new(ticks, run_delay), Arc::clone(&closed));
        writer.report(Body::Hello { pid: std::process::id() }).map_err(ChildError::Connect)?;
        let writer = spawn("control:write", move || writer.run(&queue))?;
        let reader = OrderReader { stopping: Arc::clone(&stopping), closed: Arc::clone(&closed) };
        spawn("control:read", move || reader.run(read, on_lost))?;
        Ok(Self { outgoing, stopping, closed, stream, writer: Some(writer) })
    }

    /// Flag that is set when the supervisor orders a stop.
    #[must_use]
    pub fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// Queues a message to the supervisor's program. Never blocks.
    pub fn send(&self, message: Value) -> Result<(), ChildError> {
        self.sender().send(message)
    }

    /// A sender of messages for other threads.
    #[must_use]
    pub fn sender(&self) -> MessageSender {
        MessageSender(self.outgoing.clone())
    }
}

impl Drop for ChildLink {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = self.outgoing.send(Outgoing::Close);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Sender of messages to the supervisor's program.
#[derive(Clone)]
pub struct MessageSender(SyncSender<Outgoing>);

impl MessageSender {
    /// Queues a message. Never blocks.
    pub fn send(&self, message: Value) -> Result<(), ChildError> {
        self.0.try_send(Outgoing::Message(message)).map_err(|error| match error {
            TrySendError::Full(_) => ChildError::QueueFull,
            TrySendError::Disconnected(_) => ChildError::Lost,
        })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ChildError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(ChildError::Connect)
}

struct ReportWriter {
    process: usize,
    generation: ClusterGeneration,
    stream: UnixStream,
    pulse: Pulse,
    closed: Arc<AtomicBool>,
}

impl ReportWriter {
    fn new(assignment: &Assignment, stream: UnixStream, pulse: Pulse, closed: Arc<AtomicBool>) -> Self {
        let Assignment { process, generation, .. } = *assignment;
        Self { process, generation, stream, pulse, closed }
    }

    fn run(&mut self, queue: &Receiver<Outgoing>) {
        let mut next_heartbeat = Instant::now() + BEAT;
        loop {
            let wait = next_heartbeat.saturating_duration_since(Instant::now());
            let written = match queue.recv_timeout(wait) {
                Ok(Outgoing::Message(message)) => self.report(Body::Message(message)),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Ok(Outgoing::Close) | Err(RecvTimeoutError::Disconnected) => return,
            };
            let beaten = if Instant::now() >= next_heartbeat {
                next_heartbeat = Instant::now() + BEAT;
                self.heartbeat()
            } else {
                Ok(())
            };
            if let Err(error) = written.and(beaten) {
                // The reading thread sees the same end and handles it.
                tracing::debug!(%error, "cannot write to the supervisor");
                return;
            }
        }
    }

    /// Sends a heartbeat, unless the worker loop has made no iteration since the last one although it had a
    /// processor.
    fn heartbeat(&mut self) -> io::Result<()> {
        self.pulse.beat().map_or(Ok(()), |ticks| self.report(Body::Heartbeat { ticks }))
    }

    fn report(&mut self, body: Body) -> io::Result<()> {
        let report = Report { process: self.process, generation: self.generation, body };
        let line = match control::encode(&report) {
            Ok(line) => line,
            Err(error) => {
                tracing::warn!(%error, "a message to the supervisor can't be sent and is dropped");
                return Ok(());
            }
        };
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                // A supervisor that is only stopped reads again later; until then messages queue up, and
                // overflow.
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && !self.closed.load(Ordering::SeqCst) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

struct OrderReader {
    stopping: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl OrderReader {
    fn run(self, stream: UnixStream, on_lost: impl FnOnce()) {
        let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
        loop {
            match control::read::<Order>(&mut reader, &mut line) {
                Ok(Some(Order::Stop)) => self.stopping.store(true, Ordering::SeqCst),
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, "the control socket broke");
                    break;
                }
            }
        }
        if !self.closed.load(Ordering::SeqCst) {
            on_lost();
        }
    }
}

/// Errors of the link to the supervisor.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The run directory can't be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The supervisor does not answer.
    #[error("cannot reach the supervisor: {0}; it is probably gone, start the cluster again")]
    Connect(#[source] io::Error),
    /// Messages are produced faster than the supervisor reads them.
    #[error("{QUEUE} messages to the supervisor are waiting; send fewer, or try again later")]
    QueueFull,
    /// The supervisor is gone.
    #[error("the supervisor is gone")]
    Lost,
}

#[cfg(test)]
mod tests;
