//! Assignment of a child: what its supervisor gives it at the start.
//!
//! The task comes by environment variables, and the secret by a file that only this user can read.

use std::path::PathBuf;
use std::time::Duration;

use super::control::{GENERATION, PROCESS, PROCESSES, RUN_DIRECTORY, SECRET_FILE};
use super::generation::ClusterGeneration;
use super::membership::{Membership, Transport};
use super::secret::{Secret, SecretError};

const FORM_WITHIN: Duration = Duration::from_secs(30);

/// The task of a child process, as assigned by the supervisor.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// This process, from 0.
    pub process: usize,
    /// Number of processes.
    pub processes: usize,
    /// Generation of this start.
    pub generation: ClusterGeneration,
    /// The run directory, with sockets and secret.
    pub directory: PathBuf,
}

impl Assignment {
    /// Reads the assignment from the environment; `None` for a process that no supervisor started.
    pub fn from_env() -> Result<Option<Self>, AssignmentError> {
        let Some(directory) = std::env::var_os(RUN_DIRECTORY) else { return Ok(None) };
        Ok(Some(Self {
            process: number(PROCESS)?,
            processes: number(PROCESSES)?,
            generation: number(GENERATION)?,
            directory: directory.into(),
        }))
    }

    /// The membership in a cluster over Unix sockets in the run directory, with the supervisor's secret.
    pub fn membership(&self, threads: usize, build: u64) -> Result<Membership, AssignmentError> {
        Ok(Membership {
            process: self.process,
            processes: self.processes,
            threads,
            generation: self.generation,
            build,
            secret: Secret::read_file(&self.directory.join(SECRET_FILE))?,
            transport: Transport::Unix(self.directory.clone()),
            form_within: FORM_WITHIN,
        })
    }
}

fn number<T: std::str::FromStr>(name: &'static str) -> Result<T, AssignmentError> {
    let value = std::env::var(name).unwrap_or_default();
    value.parse().map_err(|_| AssignmentError::Environment { name, value })
}

/// Why an assignment can't be read.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    /// A variable has a value that no supervisor sets.
    #[error(
        "{name} is `{value}`, which no supervisor sets; start clusters with `strateye run`, or unset STRATEYE_*"
    )]
    Environment {
        /// Name of the variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// The secret can't be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}
