//! Sequence numbers of a sink's triggers.
//!
//! **Invariant**: `acknowledged` never passes a number that is not acknowledged, whatever the order in which
//! acknowledgements arrive; so offsets may be committed as soon as it has reached the number of their last
//! trigger.

use std::collections::BTreeSet;

/// Sequence numbers accepted and acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    accepted: u64,
    acknowledged: u64,
    /// Numbers acknowledged above a gap.
    beyond: BTreeSet<u64>,
}

impl Progress {
    /// Assigns the next number; the first is 1.
    pub(crate) fn accept(&mut self) -> u64 {
        self.accepted += 1;
        self.accepted
    }

    /// The last number assigned, 0 before the first.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Acknowledges one number. A repetition, or a number that was never assigned, has no effect.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        if number <= self.acknowledged || number > self.accepted {
            return;
        }
        self.beyond.insert(number);
        while self.beyond.remove(&(self.acknowledged + 1)) {
            self.acknowledged += 1;
        }
    }

    /// The highest number up to which all are acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many numbers are accepted and not acknowledged.
    pub(crate) fn open(&self) -> u64 {
        self.accepted - self.acknowledged - self.beyond.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_holds_the_rest_back() {
        let mut progress = Progress::default();
        assert_eq!((1..=4).map(|_| progress.accept()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        progress.acknowledge(3);
        progress.acknowledge(2);
        assert_eq!((progress.acknowledged(), progress.open()), (0, 2));
        progress.acknowledge(1);
        assert_eq!((progress.acknowledged(), progress.open()), (3, 1));
    }

    #[test]
    fn repetitions_and_unknown_numbers_change_nothing() {
        let mut progress = Progress::default();
        progress.accept();
        progress.acknowledge(7);
        progress.acknowledge(1);
        progress.acknowledge(1);
        assert_eq!((progress.accepted(), progress.acknowledged(), progress.open()), (1, 1, 0));
    }
}
