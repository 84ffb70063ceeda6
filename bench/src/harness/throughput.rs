//! Speed and cost of replaying a workload, and whether the same triggers fire with any number of processes.

use tempfile::TempDir;

use super::{
    Engine,
    engine::Replayed,
    fired::Fired,
    table::{Table, mebibytes, whole},
};
use crate::{
    Error,
    floor::{Floor, floor},
    prepared::Prepared,
    workload::Folder,
};

/// Measures the floor and one replay per number of processes; `progress` is called with the name of each.
///
/// # Errors
/// If a replay fails, loses events, or fires other triggers than the first one.
pub fn measure(
    engine: &Engine,
    workload: &Folder,
    processes: &[usize],
    progress: &mut dyn FnMut(&str),
) -> Result<Table, Error> {
    let rules = Prepared::of_folder(&workload.rules, 0)?;
    progress("decoding every event, for the floor");
    let floor = floor(&workload.events, &rules.book.fields)?;
    let mut table = begin(&floor);
    let scratch = TempDir::new().map_err(Error::file("make", "a temporary folder"))?;
    let mut first: Option<(usize, Fired)> = None;
    for processes in processes.iter().copied() {
        progress(&format!("replaying with {processes} processes"));
        let path = scratch.path().join(format!("triggers-{processes}.jsonl"));
        let replayed = engine.replay(workload, processes, &path)?;
        let fired = Fired::read(&path)?;
        check(processes, &replayed, &fired, &floor)?;
        table.row(row(processes, &replayed, &floor));
        match &first {
            None => {
                if fired.is_empty() {
                    progress("nothing fired, so comparing triggers says nothing: take more events per user");
                }
                first = Some((processes, fired));
            }
            Some((before, first)) => {
                if let Some(difference) = first.difference(&fired) {
                    return Err(Error::Different(format!(
                        "first {before} processes, second {processes}: {difference}"
                    )));
                }
            }
        }
    }
    Ok(table)
}

/// Checks the engine's figures against the work there was and the triggers it wrote.
fn check(processes: usize, replayed: &Replayed, fired: &Fired, floor: &Floor) -> Result<(), Error> {
    let wrong = |reason: String| {
        Err(Error::Engine { command: format!("strateye replay --processes {processes}"), reason })
    };
    if replayed.events != floor.events {
        return wrong(format!("it read {} events of {}", replayed.events, floor.events));
    }
    if replayed.triggers != fired.len() as u64 {
        return wrong(format!("it reports {} triggers and wrote {}", replayed.triggers, fired.len()));
    }
    Ok(())
}

fn begin(floor: &Floor) -> Table {
    let columns = [
        "processes",
        "events/s",
        "of the floor",
        "CPU µs/event",
        "times the floor",
        "peak memory",
        "triggers",
    ];
    let mut table = Table::new(&columns);
    table.row([
        "floor".to_owned(),
        whole(floor.events_per_second()),
        "1.00".into(),
        format!("{:.2}", floor.cpu_micros_per_event()),
        "1.0".into(),
        "-".into(),
        "-".into(),
    ]);
    table
}

fn row(processes: usize, replayed: &Replayed, floor: &Floor) -> [String; 7] {
    let micros = replayed.cpu_seconds * 1e6 / replayed.events.max(1) as f64;
    [
        processes.to_string(),
        whole(replayed.events_per_second),
        format!("{:.2}", replayed.events_per_second / floor.events_per_second()),
        format!("{micros:.2}"),
        format!("{:.1}", micros / floor.cpu_micros_per_event()),
        mebibytes(replayed.peak_memory_bytes),
        whole(replayed.triggers as f64),
    ]
}
