//! Starts a cluster of child processes for a job, and receives their messages.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value as Json;
use sinks::LineOutput;
use tempfile::TempDir;

use super::{
    CliError,
    log::{self, LOG},
};
use crate::{
    checkpoint::State,
    cluster::{Event, Outcome, Restart, Supervisor, SupervisorConfig, SupervisorHandle},
    protocol::message::Message,
    run::job::Job,
    telemetry::Board,
    threads,
    triggers::destinations::To,
};

/// Environment variable with the path of the job.
pub(super) const JOB: &str = "STRATEYE_JOB";

/// A running cluster.
pub(super) struct Cluster {
    supervisor: Supervisor,
    events: mpsc::Receiver<Event>,
    board: Option<Board>,
    /// The job, which the processes read.
    _job: File,
    /// Keeps the state of the run.
    _folder: TempDir,
}

/// Events of a cluster, as a command receives them.
pub(super) enum ClusterEvent {
    /// A message of a process.
    Message(Message),
    /// A process ended or the cluster restarts; text for people.
    Notice(String),
    /// Nothing to show within the time waited.
    Quiet,
    /// The cluster has ended.
    Over,
}

/// Starts `processes` processes; `restart` is the policy when one dies, `level` is what they log unless the
/// environment sets a filter.
pub(super) fn launch(
    job: &Job,
    processes: usize,
    restart: Restart,
    level: &str,
) -> Result<Cluster, CliError> {
    create_outputs(job)?;
    let folder = tempfile::Builder::new().prefix("strateye-").tempdir().map_err(CliError::failed)?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).map_err(CliError::failed)?;
    let mut job = job.clone();
    if matches!(job.state, State::Run) {
        job.state = State::Sqlite(folder.path().join("state.db"));
    }
    job.mark.file.get_or_insert_with(|| folder.path().join("mark.json"));
    let (kept, file) = in_memory(&job)?;
    let program = std::env::current_exe().map_err(CliError::failed)?;
    let config = SupervisorConfig { restart, ..SupervisorConfig::new(processes) };
    let reads_stdin = matches!(job.events, crate::run::job::Events::Stdin);
    let level = std::env::var(LOG).unwrap_or_else(|_| level.to_owned());
    let format = log::format().as_str();
    let (supervisor, events) = Supervisor::start(config, move |process, _generation| {
        let mut command = Command::new(&program);
        command.arg("process").env(JOB, &file).env(LOG, &level).env(log::FORMAT, format);
        if process != 0 || !reads_stdin {
            command.stdin(Stdio::null());
        }
        command
    })
    .map_err(CliError::failed)?;
    let handle = supervisor.handle();
    stop_on_signals(handle)?;
    Ok(Cluster { supervisor, events, board: None, _job: kept, _folder: folder })
}

/// Writes a job into memory: it may contain passwords, so it is never on a disk, and it is gone with this
/// process. Returns it with the path by which the cluster's processes read it.
fn in_memory(job: &Job) -> Result<(File, PathBuf), CliError> {
    let file = memfd_create("job", MemfdFlags::CLOEXEC).map_err(CliError::failed)?;
    let mut file = File::from(file);
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    file.write_all(&serde_json::to_vec(job).map_err(CliError::failed)?).map_err(CliError::failed)?;
    Ok((file, path.into()))
}

/// Ends the cluster cleanly on Ctrl-C and SIGTERM.
fn stop_on_signals(handle: SupervisorHandle) -> Result<(), CliError> {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
    };
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::failed)?;
    threads::spawn("signals", move || {
        if signals.forever().next().is_some() {
            // If the cluster has ended already, there is nothing to stop.
            let _ = handle.request_stop();
        }
    });
    Ok(())
}

impl Cluster {
    /// Also shows its messages and events on a board.
    pub(super) fn shown_on(mut self, board: Board) -> Self {
        self.board = Some(board);
        self
    }

    /// The next event; blocks for at most `wait`.
    pub(super) fn next(&self, wait: Duration) -> ClusterEvent {
        let event = self.events.recv_timeout(wait);
        if let (Some(board), Ok(event)) = (&self.board, &event) {
            board.observe(event);
        }
        match event {
            Ok(Event::Message { process, message, .. }) => self.receive(process, message),
            Ok(Event::Exited(exit)) => ClusterEvent::Notice(exit.to_string()),
            Ok(Event::Restarting { generation, after, cause }) => {
                ClusterEvent::Notice(format!("restarting as generation {generation} in {after:?}: {cause}"))
            }
            Ok(Event::Started { .. } | Event::Running { .. }) => ClusterEvent::Quiet,
            Err(mpsc::RecvTimeoutError::Timeout) => ClusterEvent::Quiet,
            Err(mpsc::RecvTimeoutError::Disconnected) => ClusterEvent::Over,
        }
    }

    fn receive(&self, process: usize, message: Json) -> ClusterEvent {
        match Message::from_json(message) {
            Ok(message) => {
                if let Some(board) = &self.board {
                    board.receive(message.clone());
                }
                ClusterEvent::Message(message)
            }
            Err(error) => {
                tracing::error!(process, %error, "a message of a process is ignored");
                ClusterEvent::Quiet
            }
        }
    }

    /// Handle by which other threads stop the cluster.
    pub(super) fn handle(&self) -> SupervisorHandle {
        self.supervisor.handle()
    }

    /// Blocks until the cluster has ended; returns true if it finished by itself, false if it was stopped.
    pub(super) fn wait(self) -> Result<bool, CliError> {
        self.supervisor.wait().map(|outcome| matches!(outcome, Outcome::Finished)).map_err(CliError::failed)
    }
}

/// Creates the files that a job writes; if state is kept over several runs, the output of earlier runs stays.
pub(super) fn create_outputs(job: &Job) -> Result<(), CliError> {
    if matches!(job.state, State::Sqlite(_) | State::Redis(_)) {
        return Ok(());
    }
    let lines = job.triggers.iter().filter_map(|d| match &d.to {
        To::Lines(output) => Some(output),
        To::Kafka(_) | To::Webhook(_) => None,
    });
    lines.chain([&job.dead_letters]).try_for_each(LineOutput::create).map_err(CliError::usage)
}
