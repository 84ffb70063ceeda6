//! Choice of the probes under which the index registers a filter.
//! Some predicates are a disjunction of [`Probe`]s, each of which the index answers for all filters at once.
//! A filter is registered under the probes of its most selective conjunct: that conjunct is true exactly if
//! one of its probes is hit, so it needs no further check.

use hashbrown::HashMap;

use super::{
    Conjunct,
    compare::Literal,
    interval::Interval,
    number::Number,
    predicate::{Order, Predicate, TextPosition},
};
use crate::model::field::Field;

/// A lookup that the index answers for many filters at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Probe {
    Equal(Field, Literal),
    Interval(Field, Interval),
    Text(Field, TextPosition, Box<str>),
    Regex(Field, Box<str>),
}

/// How the index reaches a filter: the probes that make it a candidate, and the checks a candidate has to
/// pass.
pub(super) struct Access {
    /// The filter is a candidate if one of these is hit; `None`: for every event of its id.
    pub(super) probes: Option<Vec<Probe>>,
    /// Positions of the conjuncts that the probes do not cover, cheapest first.
    pub(super) rest: Vec<usize>,
}

/// Number of filters per equality probe, if every filter were registered under all of its own; the
/// selectivity estimate of [`Access`].
#[derive(Default)]
pub(super) struct ProbeCounts(HashMap<Probe, usize>);

impl ProbeCounts {
    /// Counts the equality probes of one filter.
    pub(super) fn count(&mut self, conjuncts: &[Conjunct]) {
        for probe in conjuncts.iter().filter_map(|c| probes(&c.predicate)).flatten() {
            if matches!(probe, Probe::Equal(..)) {
                *self.0.entry(probe).or_default() += 1;
            }
        }
    }

    /// Chooses the most selective probes for a filter with these conjuncts.
    pub(super) fn access(&self, conjuncts: &[Conjunct]) -> Access {
        let mut choices: Vec<(Vec<usize>, Vec<Probe>)> = Vec::new();
        for (at, conjunct) in conjuncts.iter().enumerate() {
            let Some(probes) = probes(&conjunct.predicate) else { continue };
            // Intervals of one field, which must all hold, are intersected into one.
            if let [Probe::Interval(field, interval)] = probes.as_slice() {
                let same = choices.iter_mut().find_map(|(covered, probes)| match probes.as_mut_slice() {
                    [Probe::Interval(f, i)] if f == field => Some((covered, i)),
                    _ => None,
                });
                if let Some((covered, merged)) = same {
                    *merged = merged.intersect(interval);
                    covered.push(at);
                    continue;
                }
            }
            choices.push((vec![at], probes));
        }
        let best = choices.into_iter().min_by_key(|(_, probes)| self.rank(probes));
        let covered = best.as_ref().map_or(&[][..], |(covered, _)| covered);
        let mut rest: Vec<usize> = (0..conjuncts.len()).filter(|at| !covered.contains(at)).collect();
        rest.sort_by_key(|at| conjuncts[*at].predicate.cost());
        Access { rest, probes: best.map(|(_, probes)| probes) }
    }

    /// Selectivity class and number of candidates expected; lower is more selective.
    fn rank(&self, probes: &[Probe]) -> (u8, usize) {
        let class = |probe: &Probe| match probe {
            Probe::Equal(_, Literal::Bool(_)) => 4,
            Probe::Equal(..) => 0,
            Probe::Text(..) => 1,
            Probe::Interval(_, interval) if interval.is_bounded() => 2,
            Probe::Regex(..) => 3,
            Probe::Interval(..) => 5,
        };
        let expected = |probe: &Probe| match probe {
            Probe::Text(_, _, needle) => 1000 / needle.len().max(1),
            _ => self.0.get(probe).copied().unwrap_or(1),
        };
        (probes.iter().map(class).max().unwrap_or(0), probes.iter().map(expected).sum())
    }
}

/// The probes of which at least one is hit exactly if the predicate holds; `None` if no probes express it.
fn probes(predicate: &Predicate) -> Option<Vec<Probe>> {
    let one = |probe| Some(vec![probe]);
    match predicate {
        Predicate::All(parts) => match parts.as_slice() {
            [part] => probes(part),
            _ => None,
        },
        Predicate::Any(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(probes(part)?);
            }
            Some(all)
        }
        Predicate::Equal(field, literal) => one(Probe::Equal(*field, literal.clone())),
        Predicate::OneOf(field, list) => {
            Some(list.literals.iter().map(|literal| Probe::Equal(*field, literal.clone())).collect())
        }
        Predicate::Ordered(field, order, Literal::Number(number)) => one(Probe::Interval(
            *field,
            match order {
                Order::Greater => Interval::new((*number, 1), (Number::GREATEST, 0)),
                Order::GreaterOrEqual => Interval::new((*number, 0), (Number::GREATEST, 0)),
                Order::Less => Interval::new((Number::LEAST, 0), (*number, -1)),
                Order::LessOrEqual => Interval::new((Number::LEAST, 0), (*number, 0)),
            },
        )),
        Predicate::Between(field, [Literal::Number(low), Literal::Number(high)]) => {
            one(Probe::Interval(*field, Interval::new((*low, 0), (*high, 0))))
        }
        Predicate::Text(field, place, needle) if !needle.is_empty() => {
            one(Probe::Text(*field, *place, needle.clone()))
        }
        Predicate::Regex(field, regex) => one(Probe::Regex(*field, regex.as_str().into())),
        _ => None,
    }
}
