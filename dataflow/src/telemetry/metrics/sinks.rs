//! Metrics of the sinks of triggers, all of which are in process 0.

use std::fmt;

use super::super::{
    board::ClusterStatus,
    page::{BARE, Labels, Metric, Page, plain, seconds},
};
use crate::protocol::figures::{LATENCY_BOUNDS, SinkFigures};

const TRIGGERS: Metric = plain("triggers", "Triggers handed to the sinks, held-out ones included");
const LATENCY: Metric = seconds(
    "trigger_latency",
    "Time from reading the record or clock that causes a trigger to handing it over",
);
const QUEUED: Metric = plain("sink_queued", "Triggers that a sink has accepted and not acknowledged yet");
const DELIVERED: Metric = plain("sink_delivered", "Triggers that a sink has delivered");
const RETRIED: Metric = plain("sink_retried", "Attempts to deliver a trigger after the first one");
const DEAD: Metric = plain("sink_dead_letters", "Triggers given up and written to a dead-letter file");
const FAILED: Metric = plain("sink_failed", "Triggers refused for good");

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    let sink = status.sink();
    page.counter(TRIGGERS, sink.map(|s| (BARE, s.triggers)))?;
    let buckets = sink.map(|s| s.buckets).unwrap_or_default();
    let bounds = LATENCY_BOUNDS.into_iter().chain([f64::INFINITY]);
    let counts: Vec<(f64, u64)> = bounds.zip(buckets.counts).collect();
    page.histogram(LATENCY, buckets.sum_us as f64 / 1e6, &counts)?;
    let each = |value: fn(&SinkFigures) -> u64| {
        let all = sink.into_iter().flat_map(|s| &s.sinks);
        all.map(move |figures| -> (Labels, u64) { (vec![("sink", figures.sink.clone())], value(figures)) })
    };
    page.gauge(QUEUED, each(|f| f.queued))?;
    page.counter(DELIVERED, each(|f| f.delivered))?;
    page.counter(RETRIED, each(|f| f.retried))?;
    page.counter(DEAD, each(|f| f.dead))?;
    page.counter(FAILED, each(|f| f.failed))
}
