//! Connections of a process to its supervisor and its metrics.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use crate::telemetry::messenger::Messenger;

/// Connections of a process to its supervisor.
#[derive(Clone)]
pub struct Surroundings {
    /// To the supervisor and to this process's own metrics.
    pub messenger: Messenger,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
    /// Incremented while the worker makes progress: the heartbeat.
    pub ticks: Arc<AtomicU64>,
    /// Directory that outlives this process, as long as its supervisor lives; `None` without a supervisor.
    pub run_directory: Option<PathBuf>,
}

#[cfg(test)]
impl Surroundings {
    /// Without a supervisor, for tests.
    pub(crate) fn for_test() -> Self {
        Surroundings {
            messenger: Messenger::default(),
            stopping: Arc::default(),
            ticks: Arc::default(),
            run_directory: None,
        }
    }
}
