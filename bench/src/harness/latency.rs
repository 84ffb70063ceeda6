//! Latency from an event to its trigger, at a rate that does not wait for the engine.

use super::{
    Engine,
    table::{Table, whole},
};
use crate::Error;

/// Measures one run per number of processes; `progress` is called with the name of each.
///
/// # Errors
/// If a run fails.
pub fn measure(
    engine: &Engine,
    processes: &[usize],
    rate: u64,
    length: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<Table, Error> {
    let mut table = Table::new(&["processes", "events/s", "p50 ms", "p99 ms", "CPU cores"]);
    for processes in processes.iter().copied() {
        progress(&format!("{rate} events/s for {length} with {processes} processes"));
        let run = engine.demo(processes, rate, length)?;
        table.row([
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
