//! Events of the supervisor to its program, and the outcome of the cluster.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::cluster::exit::describe;
use crate::cluster::generation::ClusterGeneration;
use crate::cluster::liveness::{Limits, Overdue};
use crate::cluster::run_directory::RunDirectoryError;

/// An event of a supervised cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All processes of a generation were started.
    Started {
        /// The generation.
        generation: ClusterGeneration,
    },
    /// Every process of the generation has sent its first heartbeat.
    Running {
        /// The generation.
        generation: ClusterGeneration,
    },
    /// A process sent a message.
    Message {
        /// The process.
        process: usize,
        /// Its generation.
        generation: ClusterGeneration,
        /// Its message.
        message: Value,
    },
    /// A process ended.
    Exited(Exit),
    /// The cluster will start again.
    Restarting {
        /// The next generation.
        generation: ClusterGeneration,
        /// The pause before.
        after: Duration,
        /// The exit that caused it.
        cause: Exit,
    },
}

/// Sender of events to the supervising program. It never blocks, as a program that does not receive its
/// events must not stop the supervision: events that find the channel full are dropped.
pub(super) struct Events(pub(super) SyncSender<Event>);

impl Events {
    pub(super) fn publish(&self, event: Event) {
        // The program may have stopped receiving.
        let _ = self.0.try_send(event);
    }

    /// Publishes the end of a process, and logs it.
    pub(super) fn publish_exit(&self, exit: Exit) {
        let Exit { process, generation, code, signal, kind, reason } = &exit;
        tracing::info!(process, generation = generation.0, code, signal, ?kind, reason, "process ended");
        self.publish(Event::Exited(exit));
    }
}

/// How and why a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// The process.
    pub process: usize,
    /// Its generation.
    pub generation: ClusterGeneration,
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if any.
    pub signal: Option<i32>,
    /// Kind of its end.
    pub kind: ExitKind,
    /// The reason as text.
    pub reason: String,
}

/// Kinds of a process's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitKind {
    /// It finished its work.
    Finished,
    /// It failed, or was killed from outside.
    Failed,
    /// It was killed because its heartbeats stopped.
    Hung,
    /// It was killed because its first heartbeat did not come.
    NeverStarted,
    /// It was killed because it did not finish although others had.
    NeverFinished,
    /// It was killed because another process had ended.
    KilledWithOthers,
    /// It ended because it was ordered to, or was killed because it did not.
    Stopped,
}

impl Exit {
    pub(super) fn new(
        process: usize,
        generation: ClusterGeneration,
        status: Option<ExitStatus>,
        kind: ExitKind,
    ) -> Self {
        let code = status.and_then(|status| status.code());
        let signal = status.and_then(|status| status.signal());
        let reason = match (kind, code, signal) {
            (ExitKind::NeverFinished, ..) => {
                "killed, because it did not finish although others had".to_owned()
            }
            (ExitKind::KilledWithOthers, ..) => "killed, because another process ended".to_owned(),
            (_, Some(code), _) => format!("exit code {code}: {}", describe(code)),
            (ExitKind::Stopped, _, Some(9)) => "killed, because it did not stop in time".to_owned(),
            (_, _, Some(9)) => {
                "killed (signal 9), by a person or by the kernel because memory ran out".to_owned()
            }
            (_, _, Some(signal)) => format!("killed by signal {signal}"),
            _ => "ended in an unknown way".to_owned(),
        };
        Self { process, generation, code, signal, kind, reason }
    }

    /// Exit of a process that is killed because its heartbeat is overdue.
    pub(super) fn overdue(
        process: usize,
        generation: ClusterGeneration,
        overdue: Overdue,
        limits: Limits,
    ) -> Self {
        let (kind, reason) = match overdue {
            Overdue::Start => {
                (ExitKind::NeverStarted, format!("it sent no heartbeat within {:?}", limits.start_within))
            }
            Overdue::Heartbeat => {
                (ExitKind::Hung, format!("its worker loop stood still for {:?}", limits.hang_after))
            }
        };
        let reason = format!("killed, because {reason}");
        Self { reason, ..Self::new(process, generation, None, kind) }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "process {} of generation {}: {}", self.process, self.generation, self.reason)
    }
}

/// Successful outcome of a supervised cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All processes finished their work.
    Finished,
    /// It was ordered to stop.
    Stopped,
}

/// Failure of a supervised cluster, or of its start.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The configuration has no processes.
    #[error("a cluster needs at least one process")]
    NoProcesses,
    /// The run directory can't be created.
    #[error(transparent)]
    Directory(#[from] RunDirectoryError),
    /// The control socket can't be opened.
    #[error("cannot listen at the control socket: {0}; check the limits of open files and the run folder")]
    Control(#[source] io::Error),
    /// The supervisor's thread can't be started.
    #[error("cannot start the supervisor's thread: {0}")]
    Thread(#[source] io::Error),
    /// A process could not be started.
    #[error(
        "cannot start process {process}: {source}; check that the program can be run and the limits of processes"
    )]
    Spawn {
        /// The process.
        process: usize,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The cluster failed and must not be restarted.
    #[error("the cluster failed and restarts are off: {cause}")]
    Failed {
        /// The exit that caused it.
        cause: Exit,
    },
    /// The cluster failed too often.
    #[error(
        "the cluster failed {} times within {within:?} and is not restarted again; look at the log of process {}, fix the cause and start it. Last failure: {cause}", restarts + 1, cause.process
    )]
    Storm {
        /// Restarts in that period.
        restarts: u32,
        /// The period.
        within: Duration,
        /// The exit that caused the last failure.
        cause: Exit,
    },
    /// The supervisor has ended.
    #[error("the supervisor has ended")]
    Gone,
}
