//! Errors of a process.

use sources::SourceError;

use crate::{cluster::ClusterError, exit::Fatal};

/// Error that ends a process.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The cluster did not form, or broke.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A source could not be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A worker panicked.
    #[error("a worker ended with: {0}")]
    Worker(String),
    /// Some part of the process has failed for good: the process is to end with the failure's exit code.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}
