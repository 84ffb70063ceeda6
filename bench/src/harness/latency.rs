//! Latency from an event to its trigger, at a rate that does not wait for the engine.

use super::{
    table::{Table, whole},
    throughput::Plan,
};
use crate::Error;

/// Measures one run per program and number of processes; `progress` is called with the name of each.
///
/// # Errors
/// If a run fails.
pub fn measure(plan: &Plan, rate: u64, length: &str, progress: &mut dyn FnMut(&str)) -> Result<Table, Error> {
    let mut table = Table::new(&["program", "processes", "events/s", "p50 ms", "p99 ms", "CPU cores"]);
    for (engine, processes) in plan.runs() {
        let name = engine.name();
        progress(&format!("{rate} events/s for {length}: {name} with {processes} processes"));
        let run = engine.demo(processes, rate, length)?;
        table.row([
            name.to_owned(),
            processes.to_string(),
            whole(run.events_per_second),
            milliseconds(run.latency_ms.map(|latency| latency.p50)),
            milliseconds(run.latency_ms.map(|latency| latency.p99)),
            format!("{:.2}", run.cpu_cores),
        ]);
    }
    Ok(table)
}

fn milliseconds(latency: Option<f64>) -> String {
    latency.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"))
}
