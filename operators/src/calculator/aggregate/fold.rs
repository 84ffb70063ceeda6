//! Folding into an aggregate of any kind.

use super::{Aggregate, Distinct, Stats, Top, distinct, latest::Scalar};
use crate::model::{number::Number, value::Value};

/// Error: the aggregate can't fold the value, such as a text where a number is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFoldable;

impl Aggregate {
    /// Counts an event at `time`; `now` is the ingest time, both unix ms. No effect unless it counts events.
    pub fn count(&mut self, time: i64, now: i64) {
        if let Aggregate::Count(window) = self {
            window.fold((), time, now, || 0);
        }
    }

    /// Folds the value of an event at `time`; `now` is the ingest time, both unix ms. No effect if it counts
    /// events.
    ///
    /// # Errors
    /// If the value is absent, or no number where one is needed; the aggregate is unchanged.
    pub fn fold(&mut self, value: Option<&Value<'_>>, time: i64, now: i64) -> Result<(), NotFoldable> {
        let value = value.ok_or(NotFoldable)?;
        let number = || Number::of(value).ok_or(NotFoldable);
        match self {
            Aggregate::Stats(stats) => stats.add(number()?),
            Aggregate::WindowStats(window) => window.fold(number()?, time, now, Stats::default),
            Aggregate::Top(top) => top.add(number()?.float()),
            Aggregate::WindowTop(n, window) => {
                let n = *n;
                window.fold(number()?, time, now, || Top::new(n));
            }
            Aggregate::Distinct(distinct) => distinct.add(value),
            Aggregate::WindowDistinct(window) => {
                window.fold(distinct::hash(value), time, now, Distinct::default);
            }
            Aggregate::Latest(latest) => latest.add(Scalar::from(value), time),
            Aggregate::Count(_) => {}
        }
        Ok(())
    }
}

impl From<&Value<'_>> for Scalar {
    fn from(value: &Value<'_>) -> Self {
        match value {
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Int(i) => Scalar::Int(*i),
            Value::Float(f) => Scalar::Float(*f),
            Value::Text(t) | Value::Nested(t) => Scalar::Text(t.as_ref().into()),
        }
    }
}
