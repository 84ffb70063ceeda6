//! Metrics of the cluster and of its processes.

use std::{
    fmt,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    super::{
        board::ClusterStatus,
        page::{BARE, Metric, Page, bytes, plain, seconds},
    },
    each,
};

const BUILD: Metric = plain("build_info", "The version of the program");
const START: Metric = seconds("start_time", "Time at which this program was started, since 1970");
const PROCESSES: Metric = plain("processes", "Processes that are expected");
const REPORTING: Metric = plain("processes_reporting", "Processes that have reported their numbers");
const READY: Metric = plain("ready", "1 if /readyz answers 200, else 0");
const GENERATION: Metric = plain("cluster_generation", "Generation of the cluster: number of its start");
const RESTARTS: Metric = plain("restarts", "Times that the supervisor has restarted the cluster");
const LAST_EXIT: Metric = plain("last_exit_info", "Reason of the last restart of the cluster");
const LAST_EXIT_AT: Metric = seconds("last_exit_time", "Time of the last restart of the cluster, since 1970");
const CPU: Metric = seconds("cpu", "User and system time of a process");
const MEMORY: Metric = bytes("memory", "Resident memory of a process");
const PEAK: Metric = bytes("memory_peak", "Peak resident memory of a process");
const REPORT_AGE: Metric = seconds("report_age", "Time since a process last reported its numbers");

fn since_1970(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    let now = Instant::now();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauge(BUILD, [(version, 1_u64)])?;
    page.gauge(START, [(BARE, since_1970(status.started))])?;
    page.gauge(PROCESSES, [(BARE, status.expected.processes.len())])?;
    page.gauge(REPORTING, [(BARE, status.processes.len())])?;
    page.gauge(READY, [(BARE, u64::from(status.faults(now).is_empty()))])?;
    let supervised = status.expected.supervised;
    page.gauge(GENERATION, supervised.then_some((BARE, status.generation.0)))?;
    page.counter(RESTARTS, supervised.then_some((BARE, status.restarts)))?;
    let exit = status.last_exit.as_ref();
    page.gauge(
        LAST_EXIT,
        exit.map(|(exit, _)| {
            let number = |number: Option<i32>| number.map_or(String::new(), |n| n.to_string());
            let labels = vec![
                ("process", exit.process.to_string()),
                ("code", number(exit.code)),
                ("signal", number(exit.signal)),
                ("reason", exit.reason.clone()),
            ];
            (labels, 1_u64)
        }),
    )?;
    page.gauge(LAST_EXIT_AT, exit.map(|(_, at)| (BARE, since_1970(*at))))?;
    page.counter(CPU, each(status, |n| n.cpu_seconds))?;
    page.gauge(MEMORY, each(status, |n| n.memory))?;
    page.gauge(PEAK, each(status, |n| n.peak_memory))?;
    let ages = status.processes.iter().map(|(number, latest)| {
        (super::process(*number), now.saturating_duration_since(latest.at).as_secs_f64())
    });
    page.gauge(REPORT_AGE, ages)
}
