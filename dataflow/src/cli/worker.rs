//! `strateye worker`: runs one process of a cluster over several machines.
//!
//! Nobody supervises it: its [watchdog](Watchdog) ends it if it hangs, and a service manager starts all processes again.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;

use super::{
    CliError,
    launch::create_outputs,
    options::{Common, token},
    process::{build, run_to_end},
};
use crate::{
    cluster::{self, ClusterGeneration, Hosts, Membership, Secret, Transport, Watchdog},
    run::{job::Events, surroundings::Surroundings},
    telemetry::messenger::Messenger,
    threads,
};

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    common: Common,
    /// File of events (read by process 0), `-`, `kafka://BROKER,..,BROKER/TOPIC`, or `generator:RATE`
    #[arg(long, value_name = "FROM", value_parser = Events::parse)]
    events: Option<Events>,
    /// File with the addresses of all processes, `host:port`, one per line
    #[arg(long, value_name = "FILE")]
    hosts: PathBuf,
    /// Number of this process: its line in the hosts file, from 0
    #[arg(long, value_name = "I")]
    process: usize,
    /// File with the cluster's secret, at least 16 bytes, that only its owner may read; best 32 random bytes, as
    /// `openssl rand -hex 32` writes
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Generation of the cluster: number of its start; processes of different generations refuse each other
    #[arg(long, value_name = "N", default_value_t = ClusterGeneration(1))]
    generation: ClusterGeneration,
    /// Time to wait for the other processes, seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    form_within: u64,
    /// Begin without state although its store was emptied: all limits count anew
    #[arg(long)]
    fresh_state: bool,
    /// Serve this process's metrics, health and readiness over HTTP at HOST:PORT
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
}

impl WorkerArgs {
    /// This process's number in its cluster.
    pub(super) fn process(&self) -> usize {
        self.process
    }

    pub(super) fn main(self) -> Result<(), CliError> {
        cluster::install_panic_exit(cluster::PANICKED);
        let hosts = Hosts::read_file(&self.hosts).map_err(CliError::usage)?;
        let membership = Membership {
            process: self.process,
            processes: hosts.count(),
            threads: 1,
            generation: self.generation,
            build: build()?,
            secret: Secret::read_file(&self.secret).map_err(CliError::usage)?,
            transport: Transport::Tcp(hosts),
            form_within: Duration::from_secs(self.form_within),
        };
        membership.validate().map_err(CliError::usage)?;
        let mut settings = self.common.settings()?;
        settings.keep_state_only_where_said();
        settings.check_what_is_read();
        let events = match self.events {
            Some(events) => events,
            None => settings.events()?.unwrap_or(Events::None),
        };
        let mut job = settings.job(events, settings.live())?;
        job.mark.fresh = self.fresh_state.then(token);
        if self.process == 0 {
            create_outputs(&job)?;
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopping);
        let mut signals =
            signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])
                .map_err(CliError::failed)?;
        threads::spawn("signals", move || {
            signals.forever().for_each(|_| flag.store(true, Ordering::SeqCst));
        });
        let ticks = Arc::new(AtomicU64::new(0));
        let _watchdog =
            Watchdog::start(Arc::clone(&ticks), membership.form_within).map_err(CliError::failed)?;
        let expected = job.expected(self.process..self.process + 1, false);
        let served = settings.serve(self.metrics.as_deref(), expected, &ticks)?;
        let (board, _server) = served.unzip();
        let messenger = Messenger { supervisor: None, board };
        let around = Surroundings { messenger, stopping, ticks, run_directory: None };
        run_to_end(&job, &membership, &around)
    }
}
