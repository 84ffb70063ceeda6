//! Which triggers of a sink are out of its hands.
//!
//! **Invariant**: `settled` never passes a number that is not settled, whatever the order in which numbers settle;
//! so an offset may be committed once `settled` has reached the number its last trigger was given.

use std::collections::BTreeSet;

/// Sequence numbers given and settled.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    accepted: u64,
    settled: u64,
    /// Settled, but with a gap before them.
    beyond: BTreeSet<u64>,
}

impl Progress {
    /// Gives the next number; the first is 1.
    pub(crate) fn accept(&mut self) -> u64 {
        self.accepted += 1;
        self.accepted
    }

    /// The last number given, 0 before the first.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Settles one number.
    pub(crate) fn settle(&mut self, number: u64) {
        if number <= self.settled || number > self.accepted {
            return;
        }
        self.beyond.insert(number);
        while self.beyond.remove(&(self.settled + 1)) {
            self.settled += 1;
        }
    }

    /// All numbers up to this one are settled.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// How many are accepted and not settled.
    pub(crate) fn open(&self) -> u64 {
        self.accepted - self.settled - self.beyond.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_holds_the_rest_back() {
        let mut progress = Progress::default();
        assert_eq!((1..=4).map(|_| progress.accept()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        progress.settle(3);
        progress.settle(2);
        assert_eq!((progress.settled(), progress.open()), (0, 2));
        progress.settle(1);
        assert_eq!((progress.settled(), progress.open()), (3, 1));
    }

    #[test]
    fn repeats_and_unknown_numbers_change_nothing() {
        let mut progress = Progress::default();
        progress.accept();
        progress.settle(7);
        progress.settle(1);
        progress.settle(1);
        assert_eq!((progress.accepted(), progress.settled(), progress.open()), (1, 1, 0));
    }
}
