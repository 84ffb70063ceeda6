//! `strateye process`: one process of a supervised cluster.

use std::sync::{Arc, atomic::AtomicU64};

use super::{CliError, launch::JOB};
use crate::{
    cluster::{self, Assignment, ChildLink},
    run::{
        job::Job,
        meter::Reporter,
        process::{self, Surroundings},
    },
};

pub(super) fn main() -> Result<(), CliError> {
    let usage = || CliError::usage("`strateye process` is started by `strateye run`, `replay` and `demo`");
    cluster::install_panic_exit(cluster::PANICKED);
    let assignment = Assignment::from_env().map_err(CliError::failed)?.ok_or_else(usage)?;
    let job = read_job(&std::env::var_os(JOB).ok_or_else(usage)?)?;
    let ticks = Arc::new(AtomicU64::new(0));
    let link = ChildLink::connect(&assignment, Arc::clone(&ticks), |_| {}).map_err(CliError::failed)?;
    let membership = assignment.membership(1, build()?).map_err(CliError::failed)?;
    let around = Surroundings { reporter: Reporter(Some(link.sender())), stopping: link.stopping(), ticks };
    process::run(&job, &membership, &around).map_err(CliError::failed)
}

fn read_job(file: &std::ffi::OsStr) -> Result<Job, CliError> {
    let bytes = std::fs::read(file).map_err(CliError::failed)?;
    serde_json::from_slice(&bytes).map_err(CliError::failed)
}

/// Fingerprint of this very program: processes of different builds don't form a cluster.
pub(super) fn build() -> Result<u64, CliError> {
    let program = std::env::current_exe().and_then(std::fs::read).map_err(CliError::failed)?;
    Ok(xxhash_rust::xxh3::xxh3_64(&program))
}
