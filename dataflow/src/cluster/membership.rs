//! Which process of which cluster this is, and how it reaches the others.

use std::path::PathBuf;
use std::time::Duration;

use super::address::{AddressError, Hosts, check_private, socket_path};
use super::secret::Secret;

/// More processes than anybody forms a full mesh of.
const MOST_PROCESSES: usize = 1024;

/// One process's place in a cluster. All processes must agree on everything but `process`; the handshake checks it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// This process, from 0.
    pub process: usize,
    /// How many processes there are.
    pub processes: usize,
    /// Worker threads in each process.
    pub threads: usize,
    /// Which incarnation of the cluster this is. A restart raises it, so that leftovers cannot join.
    pub generation: u64,
    /// A fingerprint of the build and of whatever else must be equal everywhere, such as wire layouts.
    pub build: u64,
    /// What proves that a peer belongs to the cluster.
    pub secret: Secret,
    /// How to reach the others.
    pub transport: Transport,
    /// How long forming may take.
    pub form_within: Duration,
}

/// How processes reach each other.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Unix sockets in this directory (mode 0700): all processes on one machine.
    Unix(PathBuf),
    /// TCP: each process binds its own entry and dials those of lower number.
    Tcp(Hosts),
}

impl Membership {
    /// Refuses a membership that no cluster can have.
    pub fn validate(&self) -> Result<(), MembershipError> {
        if self.processes == 0 || self.processes > MOST_PROCESSES {
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

    /// Where `process` listens, for people to read.
    pub(super) fn address_of(&self, process: usize) -> String {
        match &self.transport {
            Transport::Unix(directory) => socket_path(directory, process, self.generation)
                .map_or_else(|error| error.to_string(), |path| path.display().to_string()),
            Transport::Tcp(hosts) => hosts.get(process).unwrap_or("no address").to_owned(),
        }
    }
}

/// Why a membership is not one.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// A number of processes nobody can form.
    #[error("{processes} processes cannot form a cluster; choose 1 to {MOST_PROCESSES}")]
    Processes {
        /// How many were asked for.
        processes: usize,
    },
    /// The process is not among the processes.
    #[error("process {process} of {processes}: processes count from 0, choose 0 to {}", processes - 1)]
    Process {
        /// Which.
        process: usize,
        /// Of how many.
        processes: usize,
    },
    /// A number of threads nobody can run.
    #[error("{threads} worker threads per process; choose at least 1, about as many as there are cores")]
    Threads {
        /// How many were asked for.
        threads: usize,
    },
    /// The hosts file names another number of processes.
    #[error("the hosts file names {hosts} processes and the cluster has {processes}; make them equal")]
    Hosts {
        /// Lines in the hosts file.
        hosts: usize,
        /// Processes asked for.
        processes: usize,
    },
    /// An address is not usable.
    #[error(transparent)]
    Address(#[from] AddressError),
}
