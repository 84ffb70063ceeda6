//! Starts the processes of a cluster on this machine, watches them, and restarts all of them if one fails.
//!
//! timely can't replace a process, so the unit of failure is the cluster: if a child dies, or its worker loop
//! stops, the others are killed, the generation is incremented and all are started again. What they do at
//! their start (restoring the last checkpoint) is up to them.
//!
//! Invariants:
//! - At most one generation has living processes; the next starts only when all of the last are reaped.
//! - No process outlives the supervisor: not when it stops, fails, is dropped, or is killed itself (children
//!   then see the control socket close and exit).
//! - Waiting is done in blocking calls: the inbox with a deadline, one thread per child and per connection.
//! - The secret is in a 0600 file of a 0700 directory, never in an argument, the environment or a log.
//! - A child's exit code 0 means "finished": if all finish it is [`Outcome::Finished`]; the others get
//!   `finish_within` to follow the first.
//! - [`Supervisor::stop`] takes at most `stop_within` plus the time the kernel needs to end killed processes.
//!
//! Its parts:
//! - `event_loop`: starts, signals and reaps the processes
//! - `fleet`: the child processes of one generation
//! - `input`, `control_listener`: inputs of the event loop, and children's reports among them
//! - `cause`, `policy`: decisions about causes of failures and restarts (pure); about silent children: `liveness`
//!   beside it
//! - `report`: events for the supervising program, and the outcome

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::address::control_path;
use super::generation::ClusterGeneration;
use super::run_directory::{RunDirectory, RunDirectoryError};
use control_listener::ControlListener;
use event_loop::EventLoop;
use input::Input;
use report::Events;

mod cause;
mod control_listener;
mod event_loop;
mod fleet;
mod input;
mod policy;
mod report;

pub use policy::Restart;
pub use report::{Event, Exit, ExitKind, Outcome, SupervisorError};

const INBOX: usize = 1024;

/// Settings of a supervised cluster.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// Number of processes.
    pub processes: usize,
    /// Generation of the first start; every restart adds one.
    pub first_generation: ClusterGeneration,
    /// Time without an iteration of its worker loop after which a process counts as hung, without the time in
    /// which the loop waits for a processor.
    pub hang_after: Duration,
    /// Time from a process's start to its first heartbeat, at most.
    pub start_within: Duration,
    /// Time that processes have to end after an order to stop, before they are killed.
    pub stop_within: Duration,
    /// Time that the others have to finish after the first process has finished.
    pub finish_within: Duration,
    /// Policy of restarts after failures.
    pub restart: Restart,
    /// Capacity of the channel of events; further events are dropped.
    pub events: usize,
    /// Parent of the run directory; by default the user's runtime directory, or the one for temporary files.
    pub parent: Option<PathBuf>,
}

impl SupervisorConfig {
    /// The default settings for a cluster of `processes`.
    #[must_use]
    pub fn new(processes: usize) -> Self {
        Self {
            processes,
            first_generation: ClusterGeneration(1),
            hang_after: Duration::from_secs(10),
            start_within: Duration::from_secs(60),
            stop_within: Duration::from_millis(1500),
            finish_within: Duration::from_secs(30),
            restart: Restart::Limited { max: 5, within: Duration::from_secs(60) },
            events: 4096,
            parent: None,
        }
    }
}

/// A supervised cluster. Dropping it stops the cluster.
pub struct Supervisor {
    handle: SupervisorHandle,
    directory: PathBuf,
    thread: Option<JoinHandle<Result<Outcome, SupervisorError>>>,
}

impl Supervisor {
    /// Starts the cluster. `command` returns the command of a process, given its number and generation; the
    /// supervisor adds the environment that [`Assignment::from_env`](super::Assignment::from_env) reads.
    ///
    /// The events may be ignored, but should be received: see [`SupervisorConfig::events`].
    pub fn start(
        config: SupervisorConfig,
        command: impl FnMut(usize, ClusterGeneration) -> Command + Send + 'static,
    ) -> Result<(Self, Receiver<Event>), SupervisorError> {
        if config.processes == 0 {
            return Err(SupervisorError::NoProcesses);
        }
        let directory = RunDirectory::create(config.parent.as_deref())?;
        let (inputs, inbox) = sync_channel(INBOX);
        let (events, receiver) = sync_channel(config.events.max(1));
        let path = control_path(directory.path()).map_err(RunDirectoryError::from)?;
        let connections = config.processes * 2 + 16;
        let listener =
            ControlListener::start(path, connections, inputs.clone()).map_err(SupervisorError::Control)?;
        let handle = SupervisorHandle { inputs: inputs.clone() };
        let path = directory.path().to_owned();
        let command = Box::new(command);
        let events = Events(events);
        let event_loop = EventLoop { config, command, _listener: listener, directory, inbox, inputs, events };
        let thread = thread::Builder::new()
            .name("supervisor".into())
            .spawn(|| event_loop.run())
            .map_err(SupervisorError::Thread)?;
        Ok((Self { handle, directory: path, thread: Some(thread) }, receiver))
    }

    /// A handle by which other threads control the cluster, such as one that handles signals.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// The run directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stops the cluster: an order to stop first, SIGKILL for what is left after `stop_within`. Blocks until
    /// all processes have ended.
    pub fn stop(self) -> Result<Outcome, SupervisorError> {
        let _ = self.handle.request_stop();
        self.wait()
    }

    /// Blocks until the cluster has finished, was stopped through a handle, or failed for good.
    pub fn wait(mut self) -> Result<Outcome, SupervisorError> {
        self.join()
    }

    fn join(&mut self) -> Result<Outcome, SupervisorError> {
        let thread = self.thread.take().ok_or(SupervisorError::Gone)?;
        thread.join().unwrap_or(Err(SupervisorError::Gone))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.handle.request_stop();
            let _ = self.join();
        }
    }
}

/// Handle that controls a supervised cluster from any thread.
#[derive(Clone)]
pub struct SupervisorHandle {
    inputs: SyncSender<Input>,
}

impl SupervisorHandle {
    /// Starts to stop the cluster; returns at once.
    pub fn request_stop(&self) -> Result<(), SupervisorError> {
        self.inputs.send(Input::Stop).map_err(|_| SupervisorError::Gone)
    }
}

#[cfg(test)]
mod tests;
