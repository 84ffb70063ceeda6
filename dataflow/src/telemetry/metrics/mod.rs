//! The metrics, one file per component. Every family is written even while it has no samples, so that a page says
//! what there is.

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
    board::Standing,
    page::{Labels, Page, process},
};
use crate::protocol::numbers::Numbers;

/// The content type of what [`write`] gives.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Collector for Board {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (mut page, standing) = (Page(encoder), self.standing());
        let standing = &*standing;
        processes::write(&mut page, standing)?;
        reading::write(&mut page, standing)?;
        clocks::write(&mut page, standing)?;
        evaluating::write(&mut page, standing)?;
        rules::write(&mut page, standing)?;
        sinks::write(&mut page, standing)?;
        checkpoints::write(&mut page, standing)
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
fn each<V>(standing: &Standing, value: impl Fn(&Numbers) -> V) -> impl Iterator<Item = (Labels, V)> {
    standing.processes.iter().map(move |(number, told)| (process(*number), value(&told.numbers)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
