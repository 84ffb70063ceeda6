//! The JSON of a measurement: where, when and of what, every round, and medians.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Engine,
    figures::Figures,
    machine::Machine,
    measured::{Measured, Row},
};
use crate::Error;

/// Version of the format.
const FORMAT: u32 = 1;
/// Most arguments of the command line that are recorded, and most characters of each.
const MAX_ARGUMENTS: usize = 100;
const MAX_ARGUMENT: usize = 1_000;

/// A measurement, in the form in which it is kept.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    format: u32,
    /// Beginning of the measurement, unix ms.
    began_at: u64,
    machine: Machine,
    /// Arguments of this program.
    arguments: Vec<String>,
    programs: Vec<Program>,
    workload: Workload,
    rows: Vec<Measurement>,
}

/// A program that was measured.
#[derive(Clone, Debug, Serialize)]
struct Program {
    name: String,
    path: String,
    /// What it prints for `--version`.
    version: String,
    /// Hash of the binary: xxh3, 64 bits, hexadecimal.
    digest: String,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Workload {
    events: u64,
    bytes: u64,
    rules: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Measurement {
    #[serde(flatten)]
    row: Row,
    medians: Figures,
}

impl Report {
    /// A report without rows: to be begun before the measurement.
    ///
    /// # Errors
    /// If a program can't be read or run.
    pub fn begin(engines: &[Engine], arguments: impl Iterator<Item = String>) -> Result<Report, Error> {
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Report {
            format: FORMAT,
            began_at: began.map_or(0, |since| since.as_millis() as u64),
            machine: Machine::this(),
            arguments: arguments
                .take(MAX_ARGUMENTS)
                .map(|argument| argument.chars().take(MAX_ARGUMENT).collect())
                .collect(),
            programs: engines.iter().map(Program::of).collect::<Result<_, _>>()?,
            workload: Workload::default(),
            rows: Vec::new(),
        })
    }

    /// The report with the rows of a measurement.
    pub fn with(self, measured: &Measured) -> Report {
        let Measured { events, bytes, rules, rows } = measured;
        let rows = rows.iter().map(|row| Measurement { row: row.clone(), medians: row.medians() });
        Report {
            workload: Workload { events: *events, bytes: *bytes, rules: *rules },
            rows: rows.collect(),
            ..self
        }
    }

    /// The report as indented JSON.
    pub fn json(&self) -> String {
        // Texts, numbers and maps with names for keys: nothing that JSON can't hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl Program {
    fn of(engine: &Engine) -> Result<Program, Error> {
        let bytes = fs::read(engine.path()).map_err(Error::file("read", engine.path()))?;
        Ok(Program {
            name: engine.name().to_owned(),
            path: engine.path().display().to_string(),
            version: engine.version()?,
            digest: format!("{:016x}", xxh3_64(&bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::harness::figures::Figure;

    #[test]
    fn a_report_has_all_rounds_and_the_medians() {
        let round = |cpu| Figures::from([(Figure::CpuUsPerEvent, cpu)]);
        let row = Row {
            program: "new".into(),
            processes: Some(2),
            rounds: vec![round(1.5), round(1.0), round(4.0)],
        };
        let measured = Measured { events: 5, bytes: 50, rules: 3, rows: vec![row] };
        let arguments = ["--out".to_owned(), "\"<\u{1}&".to_owned(), "x".repeat(2_000)];
        let report = Report::begin(&[Engine::parse("new=/bin/sh").unwrap()], arguments.into_iter()).unwrap();
        let json: Json = serde_json::from_str(&report.with(&measured).json()).unwrap();
        let new = json!({
            "program": "new",
            "processes": 2,
            "rounds": [{"cpu_us_per_event": 1.5}, {"cpu_us_per_event": 1.0}, {"cpu_us_per_event": 4.0}],
            "medians": {"cpu_us_per_event": 1.5},
        });
        assert_eq!(json["rows"], json!([new]));
        assert_eq!(json["workload"], json!({"events": 5, "bytes": 50, "rules": 3}));
        assert_eq!(json["arguments"][1], json!("\"<\u{1}&"));
        assert_eq!(json["arguments"][2].as_str().map(str::len), Some(MAX_ARGUMENT));
        assert_eq!((&json["programs"][0]["name"], &json["format"]), (&json!("new"), &json!(FORMAT)));
        assert_eq!(json["programs"][0]["digest"].as_str().map(str::len), Some(16));
    }
}
