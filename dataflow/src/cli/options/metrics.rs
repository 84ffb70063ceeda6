//! Addresses at which metrics are served, by the settings.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use super::Settings;
use crate::{
    cli::CliError,
    telemetry::{self, Board, Expected, Server, ServerError},
};

impl Settings {
    /// Serves metrics, if the option or the settings give an address.
    pub(in crate::cli) fn serve(
        &self,
        option: Option<&str>,
        expected: Expected,
        ticks: &Arc<AtomicU64>,
    ) -> Result<Option<(Board, Server)>, CliError> {
        let Some(text) = option.or(self.metrics.as_deref()) else { return Ok(None) };
        let wrong = |error: ServerError| CliError::usage(format!("--metrics {error}"));
        let board = Board::new(expected);
        let server =
            Server::start(telemetry::resolve(text).map_err(wrong)?, board.clone(), Arc::clone(ticks));
        Ok(Some((board, server.map_err(wrong)?)))
    }

    /// Address at which the first process serves its own metrics: the port after that of the whole cluster,
    /// or any port if the system chooses that one.
    pub(in crate::cli) fn metrics_of_processes(
        &self,
        server: Option<&Server>,
        option: Option<&str>,
    ) -> Result<Option<SocketAddr>, CliError> {
        if !self.metrics_per_process {
            return Ok(None);
        }
        let Some(server) = server else {
            return Err(CliError::usage(
                "`metrics_per_process` needs an address: write `metrics`, such as \"127.0.0.1:9464\"",
            ));
        };
        let chosen = option.or(self.metrics.as_deref()).is_some_and(|text| text.ends_with(":0"));
        let port = if chosen { Some(0) } else { server.address().port().checked_add(1) };
        let port = port.ok_or_else(|| {
            CliError::usage("`metrics`: write a lower port, since the processes use the ports above it")
        })?;
        Ok(Some(SocketAddr::new(server.address().ip(), port)))
    }
}
