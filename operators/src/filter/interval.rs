//! Intervals of numbers, and an index of all that contain a number.

use super::number::Number;

/// An end of an interval: a number, and on which side of it the end lies (`1`: just above, `-1`: just below,
/// `0`: at it).
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

    /// The intersection.
    pub(super) fn intersect(&self, other: &Interval) -> Interval {
        Interval { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Whether both ends are finite.
    pub(super) fn is_bounded(&self) -> bool {
        self.low.0 != Number::LEAST && self.high.0 != Number::GREATEST
    }
}

/// An implicit, balanced interval tree: intervals sorted by their lower ends, the root of a range is its
/// middle, the halves beside it are its subtrees. Ends are stored as ranks among all ends, so a lookup costs
/// two binary searches and compares ranks from there on.
#[derive(Clone, Debug, Default)]
pub(super) struct Intervals {
    /// All ends, ascending and distinct.
    ends: Vec<End>,
    sorted: Vec<Ranked>,
}

#[derive(Clone, Copy, Debug)]
struct Ranked {
    low: u32,
    high: u32,
    /// The highest upper end in the subtree rooted here.
    reach: u32,
    unit: u32,
}

/// Rank of a number: how many ends are at or below it, and how many are below.
#[derive(Clone, Copy)]
struct Rank {
    reached: u32,
    passed: u32,
}

impl Intervals {
    pub(super) fn new(intervals: Vec<(Interval, u32)>) -> Intervals {
        let mut ends: Vec<End> = intervals.iter().flat_map(|(i, _)| [i.low, i.high]).collect();
        ends.sort_unstable();
        ends.dedup();
        let rank = |end: &End| ends.partition_point(|e| e < end) as u32;
        let ranked = |(i, unit): &(Interval, u32)| Ranked {
            low: rank(&i.low),
            high: rank(&i.high),
            reach: rank(&i.high),
            unit: *unit,
        };
        let mut sorted: Vec<Ranked> = intervals.iter().map(ranked).collect();
        sorted.sort_unstable_by_key(|i| (i.low, i.unit));
        measure(&mut sorted);
        Intervals { ends, sorted }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Calls `hit` with the unit of every interval that contains the number.
    pub(super) fn find(&self, number: Number, hit: &mut impl FnMut(u32)) {
        let at = (number, 0);
        let reached = self.ends.partition_point(|end| *end <= at) as u32;
        let passed = self.ends.partition_point(|end| *end < at) as u32;
        descend(&self.sorted, Rank { reached, passed }, hit);
    }
}

/// Sets `reach` in the whole range and returns the highest.
fn measure(range: &mut [Ranked]) -> u32 {
    let middle = range.len() / 2;
    let (left, rest) = range.split_at_mut(middle);
    let Some((root, right)) = rest.split_first_mut() else { return 0 };
    root.reach = root.high.max(measure(left)).max(measure(right));
    root.reach
}

fn descend(mut range: &[Ranked], at: Rank, hit: &mut impl FnMut(u32)) {
    while let Some(root) = range.get(range.len() / 2) {
        if root.reach < at.passed {
            return;
        }
        descend(&range[..range.len() / 2], at, hit);
        if root.low >= at.reached {
            return;
        }
        if root.high >= at.passed {
            hit(root.unit);
        }
        range = &range[range.len() / 2 + 1..];
    }
}
