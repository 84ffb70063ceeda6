//! Intervals of numbers, and finding all that hold a number.

use super::number::Number;

/// An end of an interval: a number, and how far beside it the end lies (`1`: just above, `-1`: just below).
type End = (Number, i8);

/// The numbers `n` with `low <= (n, 0) <= high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Interval {
    low: End,
    high: End,
}

impl Interval {
    pub(super) fn new(low: End, high: End) -> Interval {
        Interval { low, high }
    }

    /// What lies in both.
    pub(super) fn intersect(&self, other: &Interval) -> Interval {
        Interval { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Whether it ends on both sides.
    pub(super) fn is_bounded(&self) -> bool {
        self.low.0 != Number::LEAST && self.high.0 != Number::GREATEST
    }
}

/// Intervals, each with a unit; sorted by their lower ends, and read as a balanced tree: the root of a range is its
/// middle, the halves beside it are its children.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals {
    sorted: Vec<(Interval, u32)>,
    /// The highest upper end in the subtree of each.
    reach: Vec<End>,
}

impl Intervals {
    pub(super) fn new(mut intervals: Vec<(Interval, u32)>) -> Intervals {
        intervals.sort_unstable_by_key(|(interval, unit)| (interval.low, *unit));
        let mut built =
            Intervals { reach: intervals.iter().map(|(i, _)| i.high).collect(), sorted: intervals };
        built.measure(0, built.sorted.len());
        built
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    fn measure(&mut self, start: usize, end: usize) -> Option<End> {
        if start >= end {
            return None;
        }
        let middle = start + (end - start) / 2;
        let (left, right) = (self.measure(start, middle), self.measure(middle + 1, end));
        let reach = left.into_iter().chain(right).fold(self.reach[middle], End::max);
        self.reach[middle] = reach;
        Some(reach)
    }

    /// Calls `hit` with the unit of every interval that holds the number.
    pub(super) fn find(&self, number: Number, hit: &mut impl FnMut(u32)) {
        self.descend(0, self.sorted.len(), (number, 0), hit);
    }

    fn descend(&self, mut start: usize, end: usize, at: End, hit: &mut impl FnMut(u32)) {
        while start < end {
            let middle = start + (end - start) / 2;
            if self.reach[middle] < at {
                return;
            }
            self.descend(start, middle, at, hit);
            let (interval, unit) = &self.sorted[middle];
            if interval.low > at {
                return;
            }
            if interval.high >= at {
                hit(*unit);
            }
            start = middle + 1;
        }
    }
}
