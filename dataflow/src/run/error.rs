//! Errors of a process.

use crate::{cluster::ClusterError, exit::Fatal};

/// Error that ends a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The cluster did not form, or broke.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A worker panicked.
    #[error("a worker ended with: {0}")]
    Worker(String),
    /// Some part of the process has failed for good: the process is to end with the failure's exit code.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}
