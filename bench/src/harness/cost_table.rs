//! The table of a comparison: medians of every row. The crate's `README.md` says what each column means.

use super::{
    figures::{Figure, Figures},
    measured::{FLOOR, Measured, REFERENCE},
    table::{Table, mebibytes, whole},
};

const COLUMNS: [&str; 12] = [
    "program",
    "processes",
    "events/s",
    "CPU µs/event",
    "start-up ms",
    "steady µs/event",
    "× reference",
    "× floor",
    "peak memory",
    "bytes/key",
    "bytes/condition",
    "triggers",
];

/// Makes the table.
pub fn cost_table(measured: &Measured) -> Table {
    let mut table = Table::new(&COLUMNS);
    let (reference, floor) = (measured.cpu_of(REFERENCE), measured.cpu_of(FLOOR));
    for row in &measured.rows {
        let figures = row.medians();
        let number = |figure, write: fn(f64) -> String| cell(&figures, figure, write);
        let times = |of: Option<f64>| {
            let steady = figures.get(&Figure::SteadyUsPerEvent);
            steady.zip(of).map_or_else(none, |(steady, of)| format!("{:.2}", steady / of))
        };
        table.row([
            row.program.clone(),
            row.processes.map_or_else(none, |n| n.to_string()),
            number(Figure::EventsPerSecond, whole),
            number(Figure::CpuUsPerEvent, hundredths),
            number(Figure::StartUpCpuMs, whole),
            number(Figure::SteadyUsPerEvent, hundredths),
            times(reference),
            times(floor),
            number(Figure::PeakMemoryBytes, |bytes| mebibytes(bytes as u64)),
            number(Figure::BytesPerKey, whole),
            number(Figure::BytesPerCondition, whole),
            number(Figure::Triggers, whole),
        ]);
    }
    table
}

fn cell(figures: &Figures, figure: Figure, write: fn(f64) -> String) -> String {
    figures.get(&figure).map_or_else(none, |number| write(*number))
}

fn none() -> String {
    "-".to_owned()
}

fn hundredths(number: f64) -> String {
    format!("{number:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::measured::Row;

    #[test]
    fn rows_show_medians_and_multiples_of_both_floors() {
        let cpu =
            |micros| Figures::from([(Figure::CpuUsPerEvent, micros), (Figure::SteadyUsPerEvent, micros)]);
        let run = |steady: f64, triggers| {
            Figures::from([
                (Figure::CpuUsPerEvent, steady + 1.0),
                (Figure::StartUpCpuMs, 1_234.0),
                (Figure::SteadyUsPerEvent, steady),
                (Figure::PeakMemoryBytes, f64::from(5 << 20)),
                (Figure::Triggers, triggers),
            ])
        };
        let row = |program: &str, processes, rounds| Row { program: program.into(), processes, rounds };
        let rows = vec![
            row(REFERENCE, None, vec![cpu(0.5), cpu(0.4), cpu(9.0)]),
            row(FLOOR, None, vec![cpu(0.25); 3]),
            row("new", Some(12), vec![run(2.0, 7.0), run(8.0, 7.0), run(1.0, 7.0)]),
        ];
        let text = cost_table(&Measured { events: 9, bytes: 9, rules: 1, rows }).to_string();
        let cells = |line: usize| -> Vec<&str> {
            text.lines().nth(line).unwrap().split('|').map(str::trim).filter(|c| !c.is_empty()).collect()
        };
        assert_eq!(cells(0), COLUMNS);
        let reference = [REFERENCE, "-", "-", "0.50", "-", "0.50", "1.00", "2.00", "-", "-", "-", "-"];
        assert_eq!(cells(2), reference);
        let new = ["new", "12", "-", "3.00", "1,234", "2.00", "4.00", "8.00", "5 MiB", "-", "-", "7"];
        assert_eq!(cells(4), new);
    }
}
