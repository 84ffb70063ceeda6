//! `strateye run`: a supervised cluster on this machine.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sources::events::GeneratorConfig;

use super::{
    CliError,
    launch::{Told, launch},
    options::{Common, LIVE},
    summary::Summary,
};
use crate::{cluster::Restart, run::job::Events};

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    common: Common,
    /// A file of events, `-` for standard input, or `generator:RATE`; no events if left out
    #[arg(long, value_name = "FROM", value_parser = events)]
    events: Option<Events>,
    /// How many processes
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=128))]
    processes: u16,
}

pub(super) fn events(text: &str) -> Result<Events, String> {
    match text.strip_prefix("generator:") {
        Some(rate) => {
            let rate = rate.parse::<f64>().ok().filter(|r| *r > 0.0 && r.is_finite());
            let rate = rate
                .ok_or("write generator:RATE with a number of events per second, such as generator:12000")?;
            Ok(Events::Generator(GeneratorConfig { rate, ..GeneratorConfig::default() }))
        }
        None if text == "-" => Ok(Events::Stdin),
        None => Ok(Events::File(PathBuf::from(text))),
    }
}

/// Restarts of a cluster within a minute before the supervisor gives up.
pub(super) const RESTARTS: Restart = Restart::Limited { max: 5, within: Duration::from_secs(60) };

impl Run {
    pub(super) fn main(self) -> Result<(), CliError> {
        if let Some(Events::File(path)) = &self.events
            && !path.is_file()
        {
            return Err(CliError::usage(format!("--events {}: there is no such file", path.display())));
        }
        if !self.common.rules.exists() {
            return Err(CliError::usage(format!(
                "--rules {}: there is nothing there; name a folder, a document or a store",
                self.common.rules.display()
            )));
        }
        let job = self.common.job(self.events.unwrap_or(Events::None), LIVE);
        job.triggers.check().map_err(CliError::usage)?;
        let cluster = launch(&job, self.processes.into(), RESTARTS)?;
        let mut summary = Summary::new();
        loop {
            match cluster.next(Duration::from_secs(1)) {
                Told::Message(message) => drop(summary.take(&message)),
                Told::Notice(notice) => tracing::warn!("{notice}"),
                Told::Quiet => {}
                Told::Over => break,
            }
        }
        cluster.wait()?;
        let all = summary.json(true);
        tracing::info!(events = %all["events"], triggers = %all["triggers"], cpu_cores = %all["cpu_cores"], latency_ms = %all["latency_ms"], "ended");
        Ok(())
    }
}
