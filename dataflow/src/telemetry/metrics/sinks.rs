//! Metrics of the sinks of triggers, all of which are in process 0.

use std::fmt;

use super::super::{
    board::ClusterStatus,
    page::{BARE, Labels, Metric, Page, bytes, plain, seconds},
};
use crate::protocol::figures::{LATENCY_BOUNDS, SinkFigures, SpoolFigures};

const TRIGGERS: Metric = plain("triggers", "Triggers handed to the sinks, held-out ones included");
const LATENCY: Metric = seconds(
    "trigger_latency",
    "Time from reading the record or clock that causes a trigger to handing it over",
);
const QUEUED: Metric = plain("sink_queued", "Triggers that a sink has accepted and not acknowledged yet");
const DELIVERED: Metric = plain("sink_delivered", "Triggers that a sink has delivered");
const RETRIED: Metric = plain("sink_retried", "Attempts to deliver a trigger after the first one");
const DEAD: Metric = plain("sink_dead_letters", "Triggers given up and written to a dead-letter file");
const EXPIRED: Metric =
    plain("sink_expired", "Those of them that became older than the max_age of their action");
const FAILED: Metric = plain("sink_failed", "Triggers refused for good");
const BREAKER: Metric = plain(
    "sink_breaker",
    "Breaker of the receiver: 0 closed, 1 half open (it takes what is spooled), 2 open",
);
const SPOOLED: Metric = plain("sink_spooled", "Triggers that wait on disk for their receiver");
const SPOOL: Metric = bytes("sink_spool", "Size of the spool on disk");
const SPOOL_FULL: Metric =
    plain("sink_spool_full", "1 if the spool takes no more, so that triggers are held back");

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
    page.counter(EXPIRED, each(|f| f.expired))?;
    page.counter(FAILED, each(|f| f.failed))?;
    let spools = |value: fn(&SpoolFigures) -> u64| {
        let all = sink.into_iter().flat_map(|s| &s.sinks);
        all.filter_map(move |figures| -> Option<(Labels, u64)> {
            Some((vec![("sink", figures.sink.clone())], value(figures.spool.as_ref()?)))
        })
    };
    page.gauge(BREAKER, spools(|f| f.breaker))?;
    page.gauge(SPOOLED, spools(|f| f.triggers))?;
    page.gauge(SPOOL, spools(|f| f.bytes))?;
    page.gauge(SPOOL_FULL, spools(|f| f.full))
}
