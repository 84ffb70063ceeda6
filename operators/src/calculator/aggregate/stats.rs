//! Sum, count, minimum and maximum of numbers.

use serde::{Deserialize, Serialize};

use super::{
    Figures,
    sum::{Sum, difference},
};
use crate::model::number::Number;

/// Statistics of the numbers folded so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Sum; 0 while empty.
    pub sum: Sum,
    /// Count.
    pub count: u64,
    /// Minimum; meaningless while empty.
    pub min: Number,
    /// Maximum; meaningless while empty.
    pub max: Number,
}

impl Default for Stats {
    fn default() -> Self {
        Stats { sum: Sum::default(), count: 0, min: Number::Int(0), max: Number::Int(0) }
    }
}

impl Stats {
    /// Folds a number.
    pub fn add(&mut self, number: Number) {
        self.min = if self.count == 0 { number } else { self.min.min(number) };
        self.max = if self.count == 0 { number } else { self.max.max(number) };
        self.sum.add(number);
        self.count += 1;
    }

    /// Mean; `None` while empty.
    pub fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.mean(self.count))
    }

    /// Difference of maximum and minimum.
    pub fn range(&self) -> f64 {
        difference(self.max, self.min)
    }
}

impl Figures for Stats {
    type Fold = Number;

    fn fold(&mut self, fold: Number) {
        self.add(fold);
    }

    fn merge(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.sum.merge(&other.sum);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}
