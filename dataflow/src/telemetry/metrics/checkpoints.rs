//! Metrics of checkpoints, as reported by the keeper in process 0; without samples if no state is kept.

use std::{fmt, time::Instant};

use super::super::{
    board::ClusterStatus,
    page::{BARE, Metric, Page, bytes, plain, seconds},
};

const NUMBER: Metric = plain("checkpoint_number", "Number of the last checkpoint");
const MADE: Metric = plain("checkpoints", "Checkpoints made");
const AGE: Metric =
    seconds("checkpoint_age", "Time since the last checkpoint, or since the start if none was made");
const DURATION: Metric =
    seconds("checkpoint_duration", "Duration of the last checkpoint, from its barrier to its commit");
const BYTES: Metric = bytes("checkpoint", "Size of the last checkpoint's blobs");
const UNFOLDED: Metric =
    plain("checkpoints_unfolded", "Checkpoints not compacted into the readable state yet");
const PUBLISHED: Metric =
    plain("checkpoint_published", "Number of the last checkpoint whose triggers have left");

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    let latest = status.processes.get(&0);
    let last = latest.and_then(|latest| Some((latest.at, latest.numbers.checkpoint?)));
    let checkpoint = last.map(|(_, checkpoint)| checkpoint);
    let in_seconds = |ms: u64| ms as f64 / 1_000.0;
    page.gauge(NUMBER, checkpoint.map(|c| (BARE, c.number.0)))?;
    page.counter(MADE, checkpoint.map(|c| (BARE, c.made)))?;
    let age = last.map(|(at, c)| {
        let since = Instant::now().saturating_duration_since(at);
        (BARE, in_seconds(c.age_ms) + since.as_secs_f64())
    });
    page.gauge(AGE, age)?;
    page.gauge(DURATION, checkpoint.map(|c| (BARE, in_seconds(c.took_ms))))?;
    page.gauge(BYTES, checkpoint.map(|c| (BARE, c.bytes)))?;
    page.gauge(UNFOLDED, checkpoint.map(|c| (BARE, c.unfolded)))?;
    page.gauge(PUBLISHED, checkpoint.and_then(|c| Some((BARE, c.published?.0))))
}
