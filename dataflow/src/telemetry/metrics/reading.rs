//! Metrics of `events` and `match`: records read, and matches with rules.

use std::fmt;

use super::{
    super::{
        board::ClusterStatus,
        page::{Metric, Page, bytes, plain},
    },
    each,
};

const EVENTS: Metric = plain("events", "Records read, refused ones included");
const BYTES: Metric = bytes("read", "Bytes of records read");
const REFUSED: Metric = plain("events_refused", "Records that are not events; they go to the dead letters");
const MATCHES: Metric = plain("matches", "Filters of rules that an event matched");
const ROUTED: Metric = plain("routed", "Records sent to the owners of their keys");
const KEYLESS: Metric =
    plain("matches_keyless", "Matches dropped because the event lacked a field of the key");
const WRONG: Metric =
    plain("wrong_values", "Comparisons and expressions that were given a value of the wrong kind");
const UNUSABLE: Metric = plain(
    "unusable_values",
    "Values of top-level fields that were left out, as they can't be what their names say; their events count",
);
const LAG: Metric = plain("kafka_lag", "Records of a partition that are not read yet");

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    page.counter(EVENTS, each(status, |n| n.records))?;
    page.counter(BYTES, each(status, |n| n.bytes))?;
    page.counter(REFUSED, each(status, |n| n.refused))?;
    page.counter(MATCHES, each(status, |n| n.matched))?;
    page.counter(ROUTED, each(status, |n| n.routed))?;
    page.counter(KEYLESS, each(status, |n| n.keyless))?;
    page.counter(WRONG, each(status, |n| n.wrong_values))?;
    page.counter(UNUSABLE, each(status, |n| n.unusable_values))?;
    let lags = status.processes.iter().flat_map(|(number, latest)| {
        latest.numbers.lags.iter().map(|(partition, lag)| {
            (vec![("process", number.to_string()), ("partition", partition.to_string())], *lag)
        })
    });
    page.gauge(LAG, lags)
}
