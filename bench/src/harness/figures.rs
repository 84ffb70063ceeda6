//! Figures of a measurement: one set per round, and their medians.

use std::collections::BTreeMap;

use serde::Serialize;

/// A figure of one round of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Events per second of wall-clock time, from the first read to the last trigger.
    EventsPerSecond,
    /// CPU time of the whole run per event, µs.
    CpuUsPerEvent,
    /// CPU time of a run over the first event only, ms: compilation, crowds, rule books, the end of a run.
    StartUpCpuMs,
    /// CPU time beyond that of the start-up per event, µs.
    SteadyUsPerEvent,
    /// Peak memory of all processes, summed.
    PeakMemoryBytes,
    /// Peak memory of the run over the first event only.
    StartUpMemoryBytes,
    /// Memory beyond that of the start-up per key, bytes.
    BytesPerKey,
    /// Memory beyond that of the start-up per condition state, bytes.
    BytesPerCondition,
    /// Keys with state at the end.
    Keys,
    /// States of conditions at the end, by the program or else as counted.
    Conditions,
    /// Triggers written.
    Triggers,
}

/// Figures of one round, or medians; those that don't apply are absent.
pub type Figures = BTreeMap<Figure, f64>;

/// The median of every figure that all rounds have; with an even number of rounds, the mean of the two in the
/// middle.
pub fn medians(rounds: &[Figures]) -> Figures {
    let figures = rounds.first().into_iter().flat_map(|round| round.keys().copied());
    figures
        .filter_map(|figure| {
            let values: Option<Vec<f64>> = rounds.iter().map(|round| round.get(&figure).copied()).collect();
            Some((figure, median(values?)?))
        })
        .collect()
}

/// The median; `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![7.0]), Some(7.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), Some(3.0));
    }

    #[test]
    fn medians_are_of_the_figures_that_all_rounds_have() {
        let round = |cpu: f64, keys: Option<f64>| {
            let mut figures = Figures::from([(Figure::CpuUsPerEvent, cpu)]);
            figures.extend(keys.map(|keys| (Figure::Keys, keys)));
            figures
        };
        let rounds = [round(3.0, Some(5.0)), round(1.0, None), round(2.0, Some(5.0))];
        assert_eq!(medians(&rounds), Figures::from([(Figure::CpuUsPerEvent, 2.0)]));
        assert_eq!(medians(&[]), Figures::new());
    }
}
