//! Sum, count, minimum and maximum of numbers.

use serde::{Deserialize, Serialize};

use super::Merge;

/// Statistics of the numbers folded so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Sum; 0 while empty.
    pub sum: f64,
    /// Count.
    pub count: u64,
    /// Minimum; meaningless while empty.
    pub min: f64,
    /// Maximum; meaningless while empty.
    pub max: f64,
}

impl Stats {
    /// Folds a number.
    pub fn add(&mut self, number: f64) {
        self.min = if self.count == 0 { number } else { self.min.min(number) };
        self.max = if self.count == 0 { number } else { self.max.max(number) };
        self.sum += number;
        self.count += 1;
    }

    /// Mean; `None` while empty.
    pub fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

impl Merge for Stats {
    fn merge(&mut self, other: &Stats) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.sum += other.sum;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}
