//! Metrics of `events` and `match`: what is read, and what of it concerns a rule.

use std::fmt;

use super::{
    super::{
        board::Standing,
        page::{Metric, Page, bytes, plain},
    },
    each,
};

const EVENTS: Metric = plain("events", "Records read, refused ones included");
const BYTES: Metric = bytes("read", "Bytes of records read");
const REFUSED: Metric = plain("events_refused", "Records that are no events; they go to the dead letters");
const MATCHES: Metric = plain("matches", "Filters of rules that an event matched");
const ROUTED: Metric = plain("routed", "Records sent to the owners of their keys");
const KEYLESS: Metric =
    plain("matches_keyless", "Matches dropped because the event lacked a field of the key");
const WRONG: Metric = plain("wrong_values", "Comparisons and expressions that met a value of the wrong kind");
const LAG: Metric = plain("kafka_lag", "Records of a partition that are not read yet");

pub(super) fn write(page: &mut Page<'_>, standing: &Standing) -> fmt::Result {
    page.counter(EVENTS, each(standing, |n| n.records))?;
    page.counter(BYTES, each(standing, |n| n.bytes))?;
    page.counter(REFUSED, each(standing, |n| n.refused))?;
    page.counter(MATCHES, each(standing, |n| n.matched))?;
    page.counter(ROUTED, each(standing, |n| n.routed))?;
    page.counter(KEYLESS, each(standing, |n| n.keyless))?;
    page.counter(WRONG, each(standing, |n| n.wrong_values))?;
    let lags = standing.processes.iter().flat_map(|(number, told)| {
        told.numbers.lags.iter().map(|(partition, lag)| {
            (vec![("process", number.to_string()), ("partition", partition.to_string())], *lag)
        })
    });
    page.gauge(LAG, lags)
}
