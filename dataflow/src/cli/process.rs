//! `strateye process`: one process of a supervised cluster.

use std::{
    fs::File,
    io::{self, BufReader},
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use xxhash_rust::xxh3::Xxh3;

use super::{CliError, launch::JOB};
use crate::{
    cluster::{self, Assignment, ChildLink, Membership},
    run::{error::ProcessError, job::Job, process, surroundings::Surroundings},
    telemetry::{Board, Server, messenger::Messenger},
};

/// Bytes of the program read per call.
const PIECE: usize = 256 << 10;

pub(super) fn main() -> Result<(), CliError> {
    let usage = || CliError::usage("`strateye process` is started by `strateye run`, `replay` and `demo`");
    cluster::install_panic_exit(cluster::PANICKED);
    let assignment = Assignment::from_env().map_err(CliError::failed)?.ok_or_else(usage)?;
    let job = read_job(&std::env::var_os(JOB).ok_or_else(usage)?)?;
    let ticks = Arc::new(AtomicU64::new(0));
    let link = ChildLink::connect(&assignment, Arc::clone(&ticks)).map_err(CliError::failed)?;
    let membership = assignment.membership(1, build()?).map_err(CliError::failed)?;
    let own = job.metrics.and_then(|first| own_metrics(first, &job, assignment.process, &ticks));
    let (board, _server) = own.unzip();
    let messenger = Messenger { supervisor: Some(link.sender()), board };
    let run_directory = Some(assignment.directory.clone());
    let around = Surroundings { messenger, stopping: link.stopping(), ticks, run_directory };
    run_to_end(&job, &membership, &around)
}

/// Runs a process to the end of its work. A permanent failure is logged here, and ends the process with its
/// exit code as soon as `main` returns: the one place where a failure of any thread becomes an exit.
pub(super) fn run_to_end(job: &Job, membership: &Membership, around: &Surroundings) -> Result<(), CliError> {
    process::run(job, membership, around).map_err(|error| match error {
        ProcessError::Fatal(fatal) => {
            fatal.log();
            CliError::Fatal(fatal)
        }
        other => CliError::failed(other),
    })
}

/// This process's number in its cluster.
pub(super) fn number() -> Option<usize> {
    Assignment::from_env().ok().flatten().map(|assignment| assignment.process)
}

/// Serves this process's own metrics. If that fails, the process works all the same.
fn own_metrics(
    first: SocketAddr,
    job: &Job,
    process: usize,
    ticks: &Arc<AtomicU64>,
) -> Option<(Board, Server)> {
    let port = match first.port() {
        0 => Some(0),
        port => u16::try_from(process).ok().and_then(|process| port.checked_add(process)),
    };
    let address = SocketAddr::new(first.ip(), port.or_else(|| {
        tracing::error!(%first, "there is no port left for the metrics of this process; choose a lower one");
        None
    })?);
    let board = Board::new(job.expected(process..process + 1, false));
    match Server::start(address, board.clone(), Arc::clone(ticks)) {
        Ok(server) => Some((board, server)),
        Err(error) => {
            tracing::error!(%error, "this process's own metrics are not served");
            None
        }
    }
}

fn read_job(file: &std::ffi::OsStr) -> Result<Job, CliError> {
    let bytes = std::fs::read(file).map_err(CliError::failed)?;
    serde_json::from_slice(&bytes).map_err(CliError::failed)
}

/// Fingerprint of this program: processes of different builds do not form a cluster.
pub(super) fn build() -> Result<u64, CliError> {
    // In portions, so that the process does not begin with its whole program in memory a second time.
    let mut hash = Xxh3::new();
    std::env::current_exe()
        .and_then(File::open)
        .and_then(|program| io::copy(&mut BufReader::with_capacity(PIECE, program), &mut hash))
        .map_err(CliError::failed)?;
    Ok(hash.digest())
}
