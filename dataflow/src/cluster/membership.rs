//! Identity of a process in its cluster, and how it reaches the others.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{AddressError, Hosts, check_private, socket_path};
use super::generation::ClusterGeneration;
use super::secret::Secret;

/// Upper bound of processes of a cluster; a full mesh does not scale further.
const MAX_PROCESSES: usize = 1024;

/// The place of one process in a cluster. All processes must agree on everything but `process`; the handshake
/// verifies it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// This process, from 0.
    pub process: usize,
    /// Number of processes.
    pub processes: usize,
    /// Number of worker threads in each process.
    pub threads: usize,
    /// Generation of the cluster.
    pub generation: ClusterGeneration,
    /// Fingerprint of the build and of whatever else must be equal everywhere, such as wire layouts.
    pub build: u64,
    /// Secret by which a peer proves that it belongs to the cluster.
    pub secret: Secret,
    /// Transport between the processes.
    pub transport: Transport,
    /// Timeout of forming.
    pub form_within: Duration,
}

/// Transport between processes.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Unix sockets in this directory (mode 0700); all processes run on one machine.
    Unix(PathBuf),
    /// TCP; each process binds its own entry and dials those of lower number.
    Tcp(Hosts),
}

impl Membership {
    /// Refuses a membership that no cluster can have.
    pub fn validate(&self) -> Result<(), MembershipError> {
        if self.processes == 0 || self.processes > MAX_PROCESSES {
            return Err(MembershipError::Processes { processes: self.processes });
        }
        if self.process >= self.processes {
            return Err(MembershipError::Process { process: self.process, processes: self.processes });
        }
        if self.threads == 0 || self.threads > usize::from(u16::MAX) {
            return Err(MembershipError::Threads { threads: self.threads });
        }
        match &self.transport {
            Transport::Unix(directory) if self.processes > 1 => check_private(directory)?,
            Transport::Unix(_) => {}
            Transport::Tcp(hosts) if hosts.count() != self.processes => {
                return Err(MembershipError::Hosts { hosts: hosts.count(), processes: self.processes });
            }
            Transport::Tcp(_) => {}
        }
        Ok(())
    }

    /// Address at which `process` listens, for people to read.
    pub(super) fn address_of(&self, process: usize) -> String {
        match &self.transport {
            Transport::Unix(directory) => socket_path(directory, process, self.generation)
                .map_or_else(|error| error.to_string(), |path| path.display().to_string()),
            Transport::Tcp(hosts) => hosts.get(process).unwrap_or("no address").to_owned(),
        }
    }
}

/// Why a membership is invalid.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The number of processes is out of range.
    #[error("{processes} processes cannot form a cluster; choose 1 to {MAX_PROCESSES}")]
    Processes {
        /// Number of processes asked for.
        processes: usize,
    },
    /// The process number is not below the number of processes.
    #[error("process {process} of {processes}: processes count from 0, choose 0 to {}", processes - 1)]
    Process {
        /// The process number.
        process: usize,
        /// The number of processes.
        processes: usize,
    },
    /// The number of threads is out of range.
    #[error("{threads} worker threads per process; choose at least 1, about as many as there are cores")]
    Threads {
        /// Number of threads asked for.
        threads: usize,
    },
    /// The hosts file names another number of processes.
    #[error("the hosts file names {hosts} processes and the cluster has {processes}; make them equal")]
    Hosts {
        /// Processes in the hosts file.
        hosts: usize,
        /// Processes of the cluster.
        processes: usize,
    },
    /// An address can't be used.
    #[error(transparent)]
    Address(#[from] AddressError),
}
