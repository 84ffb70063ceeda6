//! Errors of forming a cluster.

use std::io;
use std::time::Duration;

use crate::cluster::claim::Mismatch;
use crate::cluster::membership::MembershipError;

/// A process that did not connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its number.
    pub process: usize,
    /// Its address.
    pub address: String,
    /// Reason of its last failure.
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
    /// The membership is invalid.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// This process's own address can't be bound.
    #[error("cannot listen at {address}: {source}; free the address or change this process's entry")]
    Bind {
        /// The address.
        address: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The claim of an authentic peer differs.
    #[error("process {process} ({address}) cannot be in this cluster: {mismatch}")]
    Mismatch {
        /// The peer.
        process: usize,
        /// Its address.
        address: String,
        /// The difference.
        mismatch: Mismatch,
    },
    /// Some processes did not connect in time.
    #[error(
        "process {process} of {processes} did not reach all others within {within:?}; start them or correct their addresses and secret: {}",
        list(missing)
    )]
    Incomplete {
        /// This process.
        process: usize,
        /// Number of processes.
        processes: usize,
        /// Timeout that has passed.
        within: Duration,
        /// The missing processes, each with the reason as far as known.
        missing: Vec<Missing>,
    },
    /// A thread can't be started.
    #[error("cannot start a thread to form the cluster: {0}")]
    Thread(#[source] io::Error),
}
