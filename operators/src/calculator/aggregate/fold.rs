//! Folding into an aggregate of any kind.

use super::{Aggregate, Distinct, Stats, Top, latest::Scalar};
use crate::model::{number::Number, value::Value};

/// Error: the aggregate can't fold the value, such as a text where a number is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFoldable;

impl Aggregate {
    /// Counts an event at `time`; `now` is the ingest time, both unix ms. No effect unless it counts events.
    pub fn count(&mut self, time: i64, now: i64) {
        if let Aggregate::Count(window) = self
            && let Some(count) = window.at(time, now, || 0)
        {
            *count += 1;
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
            Aggregate::WindowStats(window) => {
                let number = number()?;
                if let Some(stats) = window.at(time, now, Stats::default) {
                    stats.add(number);
                }
            }
            Aggregate::Top(top) => top.add(number()?.float()),
            Aggregate::WindowTop(n, window) => {
                let number = number()?;
                let n = *n;
                if let Some(top) = window.at(time, now, || Top::new(n)) {
                    top.add(number.float());
                }
            }
            Aggregate::Distinct(distinct) => distinct.add(value),
            Aggregate::WindowDistinct(window) => {
                if let Some(distinct) = window.at(time, now, Distinct::default) {
                    distinct.add(value);
                }
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
