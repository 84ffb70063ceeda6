//! A cluster: its processes connect, run timely, and are supervised.
//!
//! ```text
//! strateye run                      strateye worker (one per process)
//! ┌────────────┐  spawn, SIGKILL   ┌─────────────────────────────────┐   sockets, one per pair,
//! │ Supervisor ├──────────────────►│ Assignment → execute → workers  │◄──authenticated──► other processes
//! │            │◄─control socket──►│ ChildLink: heartbeats, messages │
//! └────────────┘                   └─────────────────────────────────┘
//! ```
//!
//! | file | content |
//! | --- | --- |
//! | `membership`, `generation`, `address`, `secret` | identity of a process, and addresses of the others |
//! | `claim`, `handshake` | proof that two processes belong together (pure) |
//! | `socket`, `arrival`, `accept`, `dial`, `bootstrap` | connecting all processes, whatever strangers do |
//! | `timely_cluster`, `link`, `exit` | timely on those sockets; the end of a process whose peer is lost |
//! | `seal` | what is sent between hosts, encrypted and authenticated (pure) |
//! | `supervisor/` | starts, watches, restarts and stops the processes |
//! | `run_directory`, `control`, `assignment`, `child` | communication between supervisor and child |
//! | `pulse`, `run_delay`, `liveness` | whether a worker loop turns, waits for a processor, or hangs |
//! | `watchdog` | the end of a process that hangs and has no supervisor |
//!
//! **Invariants**: timely's own listener is never opened. No process joins a running cluster. A process never
//! outlives its cluster, nor a cluster its supervisor. Nothing here depends on what the cluster computes.
//!
//! The supervising program:
//!
//! ```no_run
//! use strateye::cluster::{Event, Supervisor, SupervisorConfig};
//!
//! let program = std::env::current_exe()?;
//! let (supervisor, events) = Supervisor::start(SupervisorConfig::new(12), move |_process, _generation| {
//!     let mut command = std::process::Command::new(&program);
//!     command.arg("worker");
//!     command
//! })?;
//! let handle = supervisor.handle(); // for the thread that handles Ctrl-C: handle.request_stop()
//! for event in events {
//!     if let Event::Message { process, message, .. } = event {
//!         eprintln!("{process}: {message}");
//!     }
//! }
//! supervisor.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A child:
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use strateye::cluster::{self, Assignment, ChildLink};
//!
//! cluster::install_panic_exit(cluster::PANICKED);
//! let assignment = Assignment::from_env()?.ok_or("start me with `strateye run`")?;
//! let ticks = Arc::new(AtomicU64::new(0));
//! let link = ChildLink::connect(&assignment, Arc::clone(&ticks))?;
//! let stopping = link.stopping();
//! let membership = assignment.membership(1, 0x5eed)?;
//! let guards = cluster::execute(&membership, timely::WorkerConfig::default(), move |worker| {
//!     while !stopping.load(Ordering::SeqCst) {
//!         ticks.fetch_add(1, Ordering::Relaxed);
//!         worker.step_or_park(Some(std::time::Duration::from_millis(100)));
//!     }
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod address;
mod arrival;
mod assignment;
pub mod bootstrap;
mod child;
mod claim;
mod control;
mod dial;
mod exit;
mod generation;
mod handshake;
mod link;
mod liveness;
mod membership;
mod pulse;
mod run_delay;
mod run_directory;
mod seal;
mod secret;
mod socket;
pub mod supervisor;
mod timely_cluster;
mod watchdog;

pub use address::{AddressError, Hosts};
pub use assignment::{Assignment, AssignmentError};
pub use bootstrap::{BootstrapError, Missing};
pub use child::{ChildError, ChildLink, MessageSender};
pub use claim::Mismatch;
pub use exit::{FINAL, HUNG, PANICKED, PEER_LOST, SUPERVISOR_LOST, install_panic_exit};
pub use generation::ClusterGeneration;
pub use link::Link;
pub use membership::{Membership, MembershipError, Transport};
pub use run_directory::RunDirectoryError;
pub use secret::{Secret, SecretError};
pub use supervisor::{
    Event, Exit, ExitKind, Outcome, Restart, Supervisor, SupervisorConfig, SupervisorError, SupervisorHandle,
};
pub use timely_cluster::{ClusterError, execute};
pub use watchdog::Watchdog;

#[cfg(test)]
mod tests;
