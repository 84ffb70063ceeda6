//! Runs timely on the sockets of the [bootstrap](super::bootstrap).
//!
//! timely's own listener is never used: it authenticates nobody, and a silent client can block it for ever. A
//! process that is alone uses timely's channels between threads, or none at all with one thread.

use std::any::Any;

use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks, WorkerGuards};
use timely::worker::Worker;
use timely::{CommunicationConfig, WorkerConfig};

use super::bootstrap::{self, BootstrapError};
use super::membership::Membership;

/// Forms the cluster, then runs `work` in every worker thread of this process.
///
/// Returns once the workers have started. Dropping or joining the guards waits for them, and panics if one of
/// them did; [`install_panic_exit`](super::install_panic_exit) ends the process before that happens.
pub fn execute<T, F>(
    membership: &Membership,
    worker_config: WorkerConfig,
    work: F,
) -> Result<WorkerGuards<T>, ClusterError>
where
    T: Send + 'static,
    F: Fn(&mut Worker) -> T + Send + Sync + 'static,
{
    membership.validate().map_err(BootstrapError::from)?;
    let (builders, others) =
        if membership.processes == 1 { alone(membership)? } else { together(membership)? };
    timely::execute::execute_from(builders, others, worker_config, work).map_err(ClusterError::Timely)
}

type Allocators = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

fn alone(membership: &Membership) -> Result<Allocators, ClusterError> {
    let config = match membership.threads {
        1 => CommunicationConfig::Thread,
        threads => CommunicationConfig::Process(threads),
    };
    config.try_build().map_err(ClusterError::Timely)
}

fn together(membership: &Membership) -> Result<Allocators, ClusterError> {
    let links = bootstrap::connect(membership)?;
    let hooks = Hooks::default();
    let local =
        ProcessBuilder::new_typed_vector(membership.threads, hooks.refill.clone(), hooks.spill.clone());
    let (builders, guard) =
        initialize_networking_from_sockets(local, links, membership.process, membership.threads, hooks)
            .map_err(ClusterError::Sockets)?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

/// Why timely can't run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The processes did not connect.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The sockets can't be used.
    #[error("cannot start the threads of the cluster's sockets: {0}")]
    Sockets(#[source] std::io::Error),
    /// timely can't start.
    #[error("timely does not start: {0}")]
    Timely(String),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use timely::dataflow::operators::vec::ToStream;
    use timely::dataflow::operators::{Exchange, Inspect};

    use super::*;
    use crate::cluster::bootstrap::testing::unix_memberships;

    /// Every worker sends 0..100 by value to all workers; returns the sum of what all workers of all
    /// processes received.
    fn exchanged_sum(processes: usize, threads: usize) -> u64 {
        let directory = tempfile::tempdir().unwrap();
        let (sender, receiver) = channel();
        let mut running = Vec::new();
        for mut membership in unix_memberships(directory.path(), processes) {
            membership.threads = threads;
            let sender = std::sync::Mutex::new(sender.clone());
            running.push(thread::spawn(move || {
                let guards = execute(&membership, WorkerConfig::default(), move |worker| {
                    let sender = sender.lock().unwrap().clone();
                    worker.dataflow::<u64, _, _>(|scope| {
                        (0..100u64).to_stream(scope).exchange(|number| *number).inspect(move |number| {
                            sender.send(*number).unwrap();
                        });
                    });
                });
                guards.unwrap().join().into_iter().for_each(|result| result.unwrap());
            }));
        }
        drop(sender);
        running.into_iter().for_each(|thread| thread.join().unwrap());
        receiver.into_iter().sum()
    }

    #[test]
    fn records_cross_processes_and_threads() {
        assert_eq!(exchanged_sum(1, 1), 4950);
        assert_eq!(exchanged_sum(1, 2), 4950 * 2);
        assert_eq!(exchanged_sum(3, 2), 4950 * 6);
    }
}
