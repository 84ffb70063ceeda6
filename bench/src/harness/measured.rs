//! Result of a comparison: rows of floors and programs, each with all its rounds.

use serde::Serialize;

use super::figures::{Figure, Figures, medians};

/// Name of the row of the frozen reference decoder.
pub const REFERENCE: &str = "floor-reference";
/// Name of the row of the engine's decoder of this build.
pub const FLOOR: &str = "floor";

/// A floor, or a program with a number of processes.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of the program.
    pub program: String,
    /// Number of processes; `None` for a floor.
    pub processes: Option<usize>,
    /// Figures of every round, in the order of measurement.
    pub rounds: Vec<Figures>,
}

impl Row {
    /// Medians of the rounds.
    pub fn medians(&self) -> Figures {
        medians(&self.rounds)
    }

    /// Median of a figure, if the rounds have it.
    pub fn median(&self, figure: Figure) -> Option<f64> {
        self.medians().get(&figure).copied()
    }

    /// Label of the row: the program, and its number of processes.
    pub fn label(&self) -> String {
        match self.processes {
            None => self.program.clone(),
            Some(1) => format!("{}, 1 process", self.program),
            Some(n) => format!("{}, {n} processes", self.program),
        }
    }
}

/// All rows of a comparison, and what they were measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Events of the workload.
    pub events: u64,
    /// Bytes of the events, without line breaks.
    pub bytes: u64,
    /// Rules of the workload.
    pub rules: usize,
    /// The floors, then each program with each number of processes.
    pub rows: Vec<Row>,
}

impl Measured {
    /// Median of CPU time per event of a row by its program's name, µs.
    pub fn cpu_of(&self, program: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.program == program)?.median(Figure::CpuUsPerEvent)
    }
}
