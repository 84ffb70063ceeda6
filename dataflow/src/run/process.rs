//! The work of one process, from its start to the end of its dataflow.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread,
};

use operators::rule::{catalog::Catalog, compiler::Compiler, interpret::Interpret};
use timely::WorkerConfig;

use super::{
    awaiting::Awaiting, error::ProcessError, job::Job, surroundings::Surroundings, worker::WorkerContext,
};
use crate::{
    cluster::{self, Membership},
    exit::{self, ExitHandle},
    rules::books::Books,
};

/// Runs a process; blocks until its work is done or some part of it has failed for good.
///
/// # Errors
/// If it can't take part in the cluster, can't open its inputs and outputs, or has [failed](exit).
pub fn run(job: &Job, membership: &Membership, around: &Surroundings) -> Result<(), ProcessError> {
    let (job, membership, around) = (job.clone(), membership.clone(), around.clone());
    exit::run(move |exit| work(job, &membership, around, exit))
}

/// Names the rules whose calculators are interpreted: `all`, or rule ids with commas between them.
const INTERPRET: &str = "STRATEYE_INTERPRET";

fn interpret() -> Interpret {
    std::env::var(INTERPRET).map_or(Interpret::None, |text| Interpret::parse(&text))
}

fn work(
    job: Job,
    membership: &Membership,
    around: Surroundings,
    exit: &ExitHandle,
) -> Result<(), ProcessError> {
    job.codec.choose();
    let compiler = Compiler::new(interpret());
    let catalog = Catalog::new(compiler.clone()).routing_by(membership.secret.routing_seed());
    let books = Books::start(catalog, job.crowd_rows);
    let mut config = WorkerConfig::default();
    // Without idle effort a replaced crowd would stay in the arrangement for ever.
    differential_dataflow::configure(
        &mut config,
        &differential_dataflow::Config::default().idle_merge_effort(Some(1_000)),
    );
    let feed = Arc::<Mutex<Option<thread::JoinHandle<()>>>>::default();
    let context = WorkerContext {
        awaiting: Awaiting::new(membership.process, &around),
        job,
        around,
        exit: exit.clone(),
        compiler,
        books,
        threads: membership.threads,
        away: Arc::new(AtomicBool::new(false)),
        feed: Arc::clone(&feed),
    };
    let guards = cluster::execute(membership, config, move |worker| context.run(worker))?;
    for result in guards.join() {
        result.map_err(ProcessError::Worker)?;
    }
    let feed = feed.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(feed) = feed {
        // The feed ends with `control`, after it has received all effects; a panic in it has ended the
        // process.
        let _ = feed.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
