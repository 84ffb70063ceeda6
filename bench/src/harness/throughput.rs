//! Speed and cost of replaying a workload by several programs and numbers of processes.
//!
//! Every round measures every row once, in the same order, so that a machine that slows down slows all of
//! them. Each replay is preceded by one over the first event only: what that costs is the start-up, and the
//! rest of the replay is steady.
//!
//! **Invariant**: every replay reads every event, and all fire the same triggers in whatever order, or the
//! measurement fails.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader},
};

use operators::model::field::Fields;
use tempfile::TempDir;

use super::{
    Engine,
    engine::Replayed,
    figures::{Figure, Figures},
    fired::Fired,
    measured::{FLOOR, Measured, REFERENCE, Row},
};
use crate::{
    Error,
    floor::{Floor, floor, reference_floor},
    prepared::Prepared,
    states,
    workload::Folder,
};

/// Most rows of programs in one comparison.
const MAX_ROWS: usize = 64;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The programs; their names differ.
    engines: Vec<Engine>,
    /// Numbers of processes, a row each per program.
    processes: Vec<usize>,
    rounds: u32,
    /// Whether the states of conditions are counted.
    count_states: bool,
}

impl Plan {
    /// A plan whose rows can be told apart.
    ///
    /// # Errors
    /// If two programs have one name, or there are too many rows.
    pub fn new(engines: Vec<Engine>, processes: Vec<usize>, rounds: u32) -> Result<Plan, Error> {
        let names: BTreeSet<&str> = engines.iter().map(Engine::name).collect();
        if names.len() < engines.len() {
            return Err(Error::Usage("--binary has the same NAME twice; give each its own".into()));
        }
        let rows = engines.len() * processes.len();
        if rows > MAX_ROWS {
            return Err(Error::Usage(format!(
                "{rows} rows are too many for one run; compare fewer programs or numbers of processes, {MAX_ROWS} rows at most"
            )));
        }
        Ok(Plan { engines, processes, rounds, count_states: false })
    }

    /// Also counts the states of conditions, for programs that don't say their number.
    pub fn counting_states(self, count_states: bool) -> Plan {
        Plan { count_states, ..self }
    }

    /// The programs.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// Every program with every number of processes, in the order of the rows.
    pub fn runs(&self) -> impl Iterator<Item = (&Engine, usize)> {
        self.engines.iter().flat_map(|engine| self.processes.iter().map(move |n| (engine, *n)))
    }
}

/// Measures the floors and every program with every number of processes, round by round; `progress` is called
/// with the name of each step.
///
/// # Errors
/// If a replay fails, loses events, or fires other triggers than the first one.
pub fn measure(plan: &Plan, workload: &Folder, progress: &mut dyn FnMut(&str)) -> Result<Measured, Error> {
    let mut comparison = Comparison::new(workload)?;
    let (fields, rules) = {
        let prepared = Prepared::of_folder(&workload.rules, 0)?;
        if plan.count_states {
            progress("counting states of conditions");
            comparison.states = Some(states::count(&prepared, &workload.events)?);
        }
        (prepared.book.fields.clone(), prepared.book.rules.len())
    };
    let mut measured = Measured { rules, ..begin(plan) };
    for round in 1..=plan.rounds {
        progress(&format!("round {round} of {}: decoding every event, for the floors", plan.rounds));
        let floors = comparison.floors(&fields)?;
        (measured.events, measured.bytes) = (comparison.events, floors[0].bytes);
        let (floor_rows, rows) = measured.rows.split_at_mut(floors.len());
        for (row, floor) in floor_rows.iter_mut().zip(&floors) {
            row.rounds.push(figures_of_floor(floor));
        }
        for (row, (engine, processes)) in rows.iter_mut().zip(plan.runs()) {
            progress(&format!("round {round} of {}: {}", plan.rounds, row.label()));
            let label = row.label();
            row.rounds.push(comparison.replay(engine, processes, label)?);
        }
    }
    if comparison.fired_nothing() {
        progress("nothing fired, so comparing triggers says nothing: take more events per user");
    }
    Ok(measured)
}

/// All rows, without figures.
fn begin(plan: &Plan) -> Measured {
    let row = |program: &str, processes| Row { program: program.to_owned(), processes, rounds: Vec::new() };
    let programs = plan.runs().map(|(engine, processes)| row(engine.name(), Some(processes)));
    let rows = [row(REFERENCE, None), row(FLOOR, None)].into_iter().chain(programs).collect();
    Measured { events: 0, bytes: 0, rules: 0, rows }
}

/// A comparison under way.
struct Comparison<'w> {
    workload: &'w Folder,
    /// The same rules over the first event only.
    start_up: Folder,
    scratch: TempDir,
    /// Events of the workload, once the floors have counted them.
    events: u64,
    /// States of conditions that the workload leaves behind, if they were counted.
    states: Option<u64>,
    /// Label and triggers of the first replay.
    first: Option<(String, Fired)>,
}

impl<'w> Comparison<'w> {
    fn new(workload: &'w Folder) -> Result<Self, Error> {
        let scratch = TempDir::new().map_err(Error::file("make", "a temporary folder"))?;
        let start_up = Folder { events: scratch.path().join("first.jsonl"), rules: workload.rules.clone() };
        let mut line = Vec::new();
        let file = File::open(&workload.events).map_err(Error::file("open", &workload.events))?;
        BufReader::new(file).read_until(b'\n', &mut line).map_err(Error::file("read", &workload.events))?;
        fs::write(&start_up.events, line).map_err(Error::file("write", &start_up.events))?;
        Ok(Comparison { workload, start_up, scratch, events: 0, states: None, first: None })
    }

    /// Measures both floors: the reference, then the engine's decoder.
    fn floors(&mut self, fields: &Fields) -> Result<[Floor; 2], Error> {
        let events = &self.workload.events;
        let floors = [reference_floor(events, fields)?, floor(events, fields)?];
        self.events = floors[0].events;
        Ok(floors)
    }

    /// Replays the first event, then all; `label` names the run in errors.
    fn replay(&mut self, engine: &Engine, processes: usize, label: String) -> Result<Figures, Error> {
        let path = self.scratch.path().join("triggers.jsonl");
        let start_up = engine.replay(&self.start_up, processes, &path)?;
        check_events(engine, &start_up, 1)?;
        let replayed = engine.replay(self.workload, processes, &path)?;
        check_events(engine, &replayed, self.events)?;
        let fired = Fired::read(&path)?;
        if replayed.triggers != fired.len() as u64 {
            let reason = format!("it reports {} triggers and wrote {}", replayed.triggers, fired.len());
            return Err(wrong(engine, reason));
        }
        self.compare(label, fired)?;
        Ok(figures_of(&start_up, &Replayed { conditions: replayed.conditions.or(self.states), ..replayed }))
    }

    /// Compares with the triggers of the first replay.
    fn compare(&mut self, label: String, fired: Fired) -> Result<(), Error> {
        let Some((before, first)) = &self.first else {
            self.first = Some((label, fired));
            return Ok(());
        };
        match first.difference(&fired) {
            None => Ok(()),
            Some(difference) => {
                Err(Error::Different(format!("first {before}; second {label}: {difference}")))
            }
        }
    }

    fn fired_nothing(&self) -> bool {
        self.first.as_ref().is_none_or(|(_, fired)| fired.is_empty())
    }
}

fn wrong(engine: &Engine, reason: String) -> Error {
    Error::Engine { command: format!("{} replay", engine.path().display()), reason }
}

fn check_events(engine: &Engine, replayed: &Replayed, events: u64) -> Result<(), Error> {
    if replayed.events == events {
        return Ok(());
    }
    Err(wrong(engine, format!("it read {} events of {events}", replayed.events)))
}

fn figures_of_floor(floor: &Floor) -> Figures {
    let micros = floor.cpu_micros_per_event();
    Figures::from([
        (Figure::EventsPerSecond, floor.events_per_second()),
        (Figure::CpuUsPerEvent, micros),
        (Figure::SteadyUsPerEvent, micros),
    ])
}

/// Figures of a replay and of the one over its first event.
fn figures_of(start_up: &Replayed, all: &Replayed) -> Figures {
    let events = all.events.max(1) as f64;
    let memory = all.peak_memory_bytes.saturating_sub(start_up.peak_memory_bytes) as f64;
    let mut figures = Figures::from([
        (Figure::EventsPerSecond, all.events_per_second),
        (Figure::CpuUsPerEvent, all.cpu_seconds * 1e6 / events),
        (Figure::StartUpCpuMs, start_up.cpu_seconds * 1e3),
        (Figure::SteadyUsPerEvent, (all.cpu_seconds - start_up.cpu_seconds).max(0.0) * 1e6 / events),
        (Figure::PeakMemoryBytes, all.peak_memory_bytes as f64),
        (Figure::StartUpMemoryBytes, start_up.peak_memory_bytes as f64),
        (Figure::Triggers, all.triggers as f64),
    ]);
    let counts = [
        (Figure::Keys, Figure::BytesPerKey, all.keys),
        (Figure::Conditions, Figure::BytesPerCondition, all.conditions),
    ];
    for (count, bytes_per, number) in counts {
        if let Some(number) = number.filter(|number| *number > 0) {
            figures.extend([(count, number as f64), (bytes_per, memory / number as f64)]);
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_up_is_taken_off_cpu_and_memory() {
        let run = |events, cpu_seconds, peak_memory_bytes, keys| Replayed {
            events,
            events_per_second: 1.0,
            cpu_seconds,
            triggers: 3,
            peak_memory_bytes,
            keys,
            conditions: None,
        };
        let figures = figures_of(&run(1, 0.5, 1_000, Some(1)), &run(1_000_000, 2.0, 5_000, Some(100)));
        let figure = |figure| figures.get(&figure).copied();
        assert_eq!(figure(Figure::CpuUsPerEvent), Some(2.0));
        assert_eq!(figure(Figure::StartUpCpuMs), Some(500.0));
        assert_eq!(figure(Figure::SteadyUsPerEvent), Some(1.5));
        assert_eq!(figure(Figure::BytesPerKey), Some(40.0));
        assert_eq!(figure(Figure::BytesPerCondition), None);
    }

    #[test]
    fn two_programs_of_one_name_and_too_many_rows_are_refused() {
        let engine = |name: &str| Engine::parse(&format!("{name}=/bin/sh")).unwrap();
        let plan = |engines: &[&str], processes: usize| {
            Plan::new(engines.iter().map(|name| engine(name)).collect(), vec![1; processes], 1)
        };
        assert_eq!(plan(&["a", "b"], 32).unwrap().runs().count(), 64);
        for (plan, says) in [(plan(&["a", "a"], 1), "same NAME twice"), (plan(&["a"], 65), "65 rows")] {
            let error = plan.unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(says), "{error}");
        }
    }
}
