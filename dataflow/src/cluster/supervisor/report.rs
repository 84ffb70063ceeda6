//! What the supervisor tells its program: events while the cluster runs, and how it ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::liveness::Overdue;
use crate::cluster::exit::describe;
use crate::cluster::run_directory::RunDirectoryError;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All processes of a generation were started.
    Started {
        /// Which generation.
        generation: u64,
    },
    /// Every process of the generation has sent its first heartbeat.
    Running {
        /// Which generation.
        generation: u64,
    },
    /// A process sent a message.
    Message {
        /// Which process.
        process: usize,
        /// In which generation.
        generation: u64,
        /// Its message.
        message: Value,
    },
    /// A process ended.
    Exited(Exit),
    /// The cluster will start again.
    Restarting {
        /// The generation to come.
        generation: u64,
        /// How long it waits first.
        after: Duration,
        /// What made it necessary.
        cause: Exit,
    },
}

/// How and why a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Which process.
    pub process: usize,
    /// In which generation.
    pub generation: u64,
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// In which way.
    pub kind: ExitKind,
    /// In words.
    pub reason: String,
}

/// The ways in which a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitKind {
    /// Its work was done.
    Finished,
    /// It failed, or somebody killed it.
    Failed,
    /// It was killed because its heartbeat stopped.
    Hung,
    /// It was killed because its first heartbeat did not come.
    NeverStarted,
    /// It was killed because it did not finish although others had.
    NeverFinished,
    /// It was killed because another process had ended.
    KilledWithOthers,
    /// It ended because it was told to, or was killed because it did not.
    Stopped,
}

impl Exit {
    pub(super) fn new(process: usize, generation: u64, status: Option<ExitStatus>, kind: ExitKind) -> Self {
        let code = status.and_then(|status| status.code());
        let signal = status.and_then(|status| status.signal());
        let reason = match (kind, code, signal) {
            (ExitKind::KilledWithOthers, ..) => "killed, because another process ended".to_owned(),
            (_, Some(code), _) => format!("exit code {code}: {}", describe(code)),
            (ExitKind::Stopped, _, Some(9)) => "killed, because it did not stop in time".to_owned(),
            (_, _, Some(9)) => {
                "killed (signal 9), by somebody or by the kernel for want of memory".to_owned()
            }
            (_, _, Some(signal)) => format!("killed by signal {signal}"),
            _ => "ended in an unknown way".to_owned(),
        };
        Self { process, generation, code, signal, kind, reason }
    }

    pub(super) fn overdue(mut self, overdue: Overdue, limit: Duration) -> Self {
        let what = match overdue {
            Overdue::Start => "it sent no heartbeat within",
            Overdue::Heartbeat => "its worker loop stood still for",
        };
        self.kind = if overdue == Overdue::Start { ExitKind::NeverStarted } else { ExitKind::Hung };
        self.reason = format!("killed, because {what} {limit:?}");
        self
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "process {} of generation {}: {}", self.process, self.generation, self.reason)
    }
}

/// How a supervised cluster ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All processes finished their work.
    Finished,
    /// It was told to stop.
    Stopped,
}

/// How a supervised cluster ended badly, or never began.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// No processes were asked for.
    #[error("a cluster needs at least one process")]
    NoProcesses,
    /// No run directory.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// No control socket.
    #[error("cannot listen at the control socket: {0}; check the limits of open files and the run folder")]
    Control(#[source] io::Error),
    /// No thread for the supervisor.
    #[error("cannot start the supervisor's thread: {0}")]
    Thread(#[source] io::Error),
    /// A process could not be started.
    #[error(
        "cannot start process {process}: {source}; check that the program can be run and the limits of processes"
    )]
    Spawn {
        /// Which process.
        process: usize,
        /// What the operating system says.
        source: io::Error,
    },
    /// The cluster failed and must not restart.
    #[error("the cluster failed and restarts are off: {cause}")]
    Failed {
        /// What made it fail.
        cause: Exit,
    },
    /// The cluster failed again and again.
    #[error(
        "the cluster failed {} times within {within:?} and is given up; look at the log of process {}, mend the cause \
         and start again. Last failure: {cause}", restarts + 1, cause.process
    )]
    Storm {
        /// Restarts in that stretch.
        restarts: u32,
        /// The stretch.
        within: Duration,
        /// What made it fail the last time.
        cause: Exit,
    },
    /// The supervisor ended before.
    #[error("the supervisor has ended")]
    Gone,
}
