//! The work of one process, from its start to the end of its dataflow.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64},
};

use operators::rule::compiler::Compiler;
use sources::SourceError;
use timely::WorkerConfig;

use super::{job::Job, process_zero::ProcessZero, worker::WorkerContext};
use crate::{
    cluster::{self, ClusterError, Membership},
    exit::{self, ExitHandle, Fatal},
    rules::books::Books,
    telemetry::messenger::Messenger,
};

/// Errors of a process.
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

/// Connections of a process to its supervisor.
#[derive(Clone)]
pub struct Surroundings {
    /// To the supervisor and to this process's own metrics.
    pub messenger: Messenger,
    /// Set when the cluster is to end.
    pub stopping: Arc<AtomicBool>,
    /// Incremented while the worker makes progress: the heartbeat.
    pub ticks: Arc<AtomicU64>,
}

/// Runs a process; blocks until its work is done or some part of it has failed for good.
///
/// # Errors
/// If it can't take part in the cluster, can't open its inputs and outputs, or has [failed](exit).
pub fn run(job: &Job, membership: &Membership, around: &Surroundings) -> Result<(), ProcessError> {
    let (job, membership, around) = (job.clone(), membership.clone(), around.clone());
    exit::run(move |exit| work(job, &membership, around, exit))
}

fn work(
    job: Job,
    membership: &Membership,
    around: Surroundings,
    exit: &ExitHandle,
) -> Result<(), ProcessError> {
    job.codec.choose();
    let compiler = Compiler::default();
    let books = Books::start(compiler.clone());
    let (zero, feed) = if membership.process == 0 {
        let (zero, feed) = ProcessZero::start(&job, &around, compiler, exit)?;
        (Some(zero), Some(feed))
    } else {
        (None, None)
    };
    let mut config = WorkerConfig::default();
    // Without idle effort a replaced crowd would stay in the arrangement for ever.
    differential_dataflow::configure(
        &mut config,
        &differential_dataflow::Config::default().idle_merge_effort(Some(1_000)),
    );
    let context = WorkerContext {
        job,
        around,
        exit: exit.clone(),
        books,
        threads: membership.threads,
        away: Arc::new(AtomicBool::new(false)),
        zero: Mutex::new(zero),
    };
    let guards = cluster::execute(membership, config, move |worker| context.run(worker))?;
    for result in guards.join() {
        result.map_err(ProcessError::Worker)?;
    }
    if let Some(feed) = feed {
        // The feed ends with `control`, after it has received all effects; a panic in it has ended the
        // process.
        let _ = feed.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
