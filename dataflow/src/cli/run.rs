//! `strateye run`: runs a supervised cluster on this machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clap::Args;

use super::{
    CliError,
    launch::{ClusterEvent, launch},
    options::{Common, is_readable, token},
    summary::Summary,
};
use crate::{cluster::Restart, run::job::Events};

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    common: Common,
    /// File of events, `-` for standard input, `kafka://BROKER,..,BROKER/TOPIC`, or `generator:RATE`; no
    /// events if left out
    #[arg(long, value_name = "FROM", value_parser = Events::parse)]
    events: Option<Events>,
    /// Number of processes [default: 12]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=128))]
    processes: Option<u16>,
    /// Begin without state although its store was emptied: all limits count anew
    #[arg(long)]
    fresh_state: bool,
    /// Serve metrics, health and readiness of the cluster over HTTP at HOST:PORT
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,
}

impl Run {
    pub(super) fn main(self) -> Result<(), CliError> {
        let settings = self.common.settings()?;
        let events = match self.events {
            Some(events) => events,
            None => settings.events()?.unwrap_or(Events::None),
        };
        if let Events::File(path) = &events {
            is_readable(path)?;
        }
        let processes = self.processes.or(settings.processes).unwrap_or(12);
        if !(1..=128).contains(&processes) {
            return Err(CliError::usage(format!("{processes} processes: write 1 to 128")));
        }
        let mut job = settings.job(events, settings.live())?;
        job.mark.fresh = self.fresh_state.then(token);
        let turns = Arc::new(AtomicU64::new(0));
        let expected = job.expected(0..processes.into(), true);
        let (board, server) = settings.serve(self.metrics.as_deref(), expected, &turns)?.unzip();
        job.metrics = settings.metrics_of_processes(server.as_ref(), self.metrics.as_deref())?;
        let restart = Restart::Limited { max: settings.restarts_per_minute, within: Duration::from_secs(60) };
        let cluster = launch(&job, processes.into(), restart, "info")?;
        let cluster = match board {
            Some(board) => cluster.shown_on(board),
            None => cluster,
        };
        let mut summary = Summary::new();
        loop {
            turns.fetch_add(1, Ordering::Relaxed);
            match cluster.next(Duration::from_secs(1)) {
                ClusterEvent::Message(message) => drop(summary.receive(message)),
                ClusterEvent::Notice(notice) => tracing::warn!("{notice}"),
                ClusterEvent::Quiet => {}
                ClusterEvent::Over => break,
            }
        }
        cluster.wait()?;
        let all = summary.json(true);
        tracing::info!(events = %all["events"], triggers = %all["triggers"], cpu_cores = %all["cpu_cores"], latency_ms = %all["latency_ms"], "ended");
        Ok(())
    }
}
