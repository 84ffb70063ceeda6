//! Figures of an aggregate of any kind.

use std::borrow::Cow;

use super::{Aggregate, Distinct, Stats, Sum, Top, latest::Scalar};
use crate::model::{number::Number, value::Value};

/// A figure of an aggregate that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Time of the value that is the latest.
    At,
    /// Mean.
    Average,
    /// Number of values.
    Count,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Difference of largest and smallest.
    Range,
    /// Sum.
    Sum,
    /// The latest value.
    Value,
}

impl Figure {
    /// Its name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Figure::At => "at",
            Figure::Average => "avg",
            Figure::Count => "count",
            Figure::Max => "max",
            Figure::Min => "min",
            Figure::Range => "range",
            Figure::Sum => "sum",
            Figure::Value => "value",
        }
    }
}

/// Content of an aggregate at an instant, of which figures are read.
#[derive(Clone, Debug)]
pub enum Summary<'a> {
    /// Statistics.
    Stats(Stats),
    /// The largest numbers, largest first.
    Top(Cow<'a, [f64]>),
    /// Time and value of the latest, if one counts.
    Latest(Option<(i64, &'a Scalar)>),
    /// Nothing: the aggregate has one figure.
    None,
}

impl Aggregate {
    /// Its figures, ascending by name; none if it has a single one.
    pub fn figures(&self) -> &'static [Figure] {
        match self {
            Aggregate::Stats(_) | Aggregate::WindowStats(_) => {
                &[Figure::Average, Figure::Count, Figure::Max, Figure::Min, Figure::Range, Figure::Sum]
            }
            Aggregate::Top(_) | Aggregate::WindowTop(..) => {
                &[Figure::Average, Figure::Count, Figure::Max, Figure::Min]
            }
            Aggregate::Latest(_) => &[Figure::At, Figure::Value],
            Aggregate::Count(_) | Aggregate::Distinct(_) | Aggregate::WindowDistinct(_) => &[],
        }
    }

    /// Its single figure at `now`, unix ms; `None` if it has several.
    pub fn at(&self, now: i64) -> Option<i64> {
        match self {
            Aggregate::Count(window) => Some(window.figure(now, 0) as i64),
            Aggregate::Distinct(distinct) => Some(distinct.count() as i64),
            Aggregate::WindowDistinct(window) => Some(window.figure(now, Distinct::default()).count() as i64),
            _ => None,
        }
    }

    /// Its content at `now`, unix ms.
    pub fn summary(&self, now: i64) -> Summary<'_> {
        match self {
            Aggregate::Stats(stats) => Summary::Stats(*stats),
            Aggregate::WindowStats(window) => Summary::Stats(window.figure(now, Stats::default())),
            Aggregate::Top(top) => Summary::Top(Cow::Borrowed(top.numbers())),
            Aggregate::WindowTop(n, window) => {
                Summary::Top(Cow::Owned(window.figure(now, Top::new(*n)).into_numbers()))
            }
            Aggregate::Latest(latest) => Summary::Latest(latest.at(now)),
            Aggregate::Count(_) | Aggregate::Distinct(_) | Aggregate::WindowDistinct(_) => Summary::None,
        }
    }
}

impl<'a> Summary<'a> {
    /// A figure; absent if the aggregate is empty or has no such figure.
    pub fn figure(&self, figure: Figure) -> Option<Value<'a>> {
        match self {
            Summary::Stats(stats) => of_stats(stats, figure),
            Summary::Top(numbers) => of_top(numbers, figure),
            Summary::Latest(latest) => latest.and_then(|(at, value)| of_latest(at, value, figure)),
            Summary::None => None,
        }
    }
}

fn of_stats<'a>(stats: &Stats, figure: Figure) -> Option<Value<'a>> {
    match figure {
        Figure::Sum => Some(Value::Float(stats.sum.float())),
        Figure::Count => Some(Value::Int(stats.count as i64)),
        _ if stats.count == 0 => None,
        Figure::Min => Some(stats.min.figure()),
        Figure::Max => Some(stats.max.figure()),
        Figure::Range => Some(Value::Float(stats.range())),
        Figure::Average => stats.average().map(Value::Float),
        _ => None,
    }
}

fn of_top<'a>(numbers: &[f64], figure: Figure) -> Option<Value<'a>> {
    let average = || {
        let mut sum = Sum::default();
        numbers.iter().filter_map(|number| Number::from_float(*number)).for_each(|number| sum.add(number));
        (!numbers.is_empty()).then(|| sum.mean(numbers.len() as u64))
    };
    match figure {
        Figure::Count => Some(Value::Int(numbers.len() as i64)),
        Figure::Average => average().map(Value::Float),
        Figure::Max => numbers.first().map(|max| Value::Float(*max)),
        Figure::Min => numbers.last().map(|min| Value::Float(*min)),
        _ => None,
    }
}

fn of_latest(at: i64, value: &Scalar, figure: Figure) -> Option<Value<'_>> {
    match figure {
        Figure::At => Some(Value::Int(at)),
        Figure::Value => Some(match value {
            Scalar::Bool(b) => Value::Bool(*b),
            Scalar::Int(i) => Value::Int(*i),
            Scalar::Float(f) => Value::Float(*f),
            Scalar::Text(t) => Value::Text(Cow::Borrowed(t)),
        }),
        _ => None,
    }
}
