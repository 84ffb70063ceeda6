//! The metrics, one file per component.
//!
//! Every family is written even while it has no samples, so that a page lists all that exist.
//!
//! - `processes`: the cluster and its processes
//! - `reading`: `events` and `match`
//! - `evaluating`: `evaluate`
//! - `clocks`: epochs and the clock of the timers
//! - `rules`: rules
//! - `sinks`: sinks of triggers
//! - `checkpoints`: checkpoints

mod checkpoints;
mod clocks;
mod evaluating;
mod processes;
mod reading;
mod rules;
mod sinks;

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use super::{
    Board,
    board::ClusterStatus,
    page::{Labels, Page, process},
};
use crate::protocol::numbers::Numbers;

/// Content type of the text of [`write`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Collector for Board {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut page, status) = (Page(encoder), self.status());
        let status = &*status;
        processes::write(&mut page, status)?;
        reading::write(&mut page, status)?;
        clocks::write(&mut page, status)?;
        evaluating::write(&mut page, status)?;
        rules::write(&mut page, status)?;
        sinks::write(&mut page, status)?;
        checkpoints::write(&mut page, status)
    }
}

/// All metrics as OpenMetrics text.
pub(super) fn write(board: &Board) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(board.clone()));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

/// A sample of every process.
fn each<V>(status: &ClusterStatus, value: impl Fn(&Numbers) -> V) -> impl Iterator<Item = (Labels, V)> {
    status.processes.iter().map(move |(number, latest)| (process(*number), value(&latest.numbers)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
