//! Why a cluster did not form.

use std::io;
use std::time::Duration;

use crate::cluster::claim::Mismatch;
use crate::cluster::membership::MembershipError;

/// A process that did not join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its number.
    pub process: usize,
    /// Where it should listen.
    pub address: String,
    /// What was last known of it.
    pub reason: String,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "process {} at {}: {}", self.process, self.address, self.reason)
    }
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a cluster did not form.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The membership itself is impossible.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The own address cannot be bound.
    #[error("cannot listen at {address}: {source}; free the address or change this process's entry")]
    Bind {
        /// The address.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// An authentic peer does not fit.
    #[error("process {process} ({address}) cannot be in this cluster: {mismatch}")]
    Mismatch {
        /// The peer.
        process: usize,
        /// Where it should listen.
        address: String,
        /// What differs.
        mismatch: Mismatch,
    },
    /// Some processes did not come in time.
    #[error(
        "process {process} of {processes} did not reach all others within {within:?}; start them or correct their addresses and secret: {}",
        list(missing)
    )]
    Incomplete {
        /// This process.
        process: usize,
        /// Of how many.
        processes: usize,
        /// How long it waited.
        within: Duration,
        /// Who is missing, and why as far as known.
        missing: Vec<Missing>,
    },
    /// The operating system gives no thread.
    #[error("cannot start a thread to form the cluster: {0}")]
    Thread(#[source] io::Error),
}
