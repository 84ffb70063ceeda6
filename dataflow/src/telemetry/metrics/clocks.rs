//! Metrics of time: epochs, and the clock of the timers.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use operators::model::ids::PartitionId;

use super::{
    super::{
        board::ClusterStatus,
        page::{Metric, Page, plain, process, seconds},
    },
    each,
};

const EPOCH: Metric = plain("epoch_announced", "The last epoch that a process has received");
const DELAY: Metric =
    seconds("epoch_delay", "How far the epochs completed everywhere are behind those announced");
const CLOCK_LAG: Metric = seconds("timer_clock_lag", "How far the timers' clock is behind the wall clock");
const HELD_BACK: Metric = plain("timer_held_back", "1 for the partition whose clock holds the timers back");

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    let epoch = status.expected.epoch.as_secs_f64();
    page.gauge(EPOCH, each(status, |n| n.epoch.0))?;
    page.gauge(DELAY, each(status, |n| n.epochs_behind as f64 * epoch))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let held = || {
        let all = status.processes.iter();
        all.filter_map(|(number, latest)| {
            Some((*number, latest.numbers.held_back_by?, latest.numbers.clock.0))
        })
    };
    // A partition without any record yet has a clock before all time, and has held timers back since the
    // start.
    let started = status.started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let lag = |clock: i64| now - if clock > 0 { clock as f64 / 1_000.0 } else { started };
    page.gauge(CLOCK_LAG, held().map(|(number, _, clock)| (process(number), lag(clock).max(0.0))))?;
    let partition = |(number, partition, _): (usize, PartitionId, i64)| {
        (vec![("process", number.to_string()), ("partition", partition.to_string())], 1_u64)
    };
    page.gauge(HELD_BACK, held().map(partition))
}
