//! The n largest numbers.

use serde::{Deserialize, Serialize};

use super::Figures;
use crate::model::number::Number;

/// The largest numbers folded so far, at most `n`, largest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    n: usize,
    numbers: Vec<f64>,
}

impl Top {
    /// An empty aggregate that keeps the `n` largest, at least one.
    pub fn new(n: usize) -> Self {
        Top { n: n.max(1), numbers: Vec::new() }
    }

    /// Most numbers that are kept.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Folds a number.
    pub fn add(&mut self, number: f64) {
        let position = self.numbers.partition_point(|x| *x >= number);
        if position < self.n {
            self.numbers.truncate(self.n - 1);
            self.numbers.insert(position.min(self.numbers.len()), number);
        }
    }

    /// The numbers kept, largest first.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// The numbers kept, largest first, without copying them.
    pub fn into_numbers(self) -> Vec<f64> {
        self.numbers
    }
}

impl Figures for Top {
    type Fold = Number;

    fn fold(&mut self, fold: Number) {
        self.add(fold.float());
    }

    fn merge(&mut self, other: &Top) {
        other.numbers.iter().for_each(|number| self.add(*number));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_the_largest(numbers in prop::collection::vec(-100i32..100, 0..60), n in 1usize..8) {
            let mut top = Top::new(n);
            numbers.iter().for_each(|x| top.add(f64::from(*x)));
            let mut sorted = numbers.clone();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let want: Vec<f64> = sorted.into_iter().take(n).map(f64::from).collect();
            prop_assert_eq!(top.numbers(), &want[..]);
        }
    }
}
