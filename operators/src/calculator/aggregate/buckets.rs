//! A sliding window as a row of buckets.
//!
//! The window of length L at `now` is `(now - L, now]`. Buckets are `w = max(1, L / 64)` ms wide and aligned to the
//! unix epoch; at `now` those with a start `b` in `(now - L - w, now]` count. So a figure lies between the exact one
//! over L and the exact one over `L + w`, and two keys, processes or replays cut time at the same places.
//! Buckets are kept only where something was folded: at most `L / w + 1` of the past, and of the future as many as fit
//! into the farthest an event may lie ahead of `now`.

use serde::{Deserialize, Serialize};

use super::Merge;

const PER_WINDOW: i64 = 64;

/// Figures of type `A` by bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets<A> {
    span: i64,
    /// Bucket starts, ascending, with their figures.
    buckets: Vec<(i64, A)>,
}

impl<A> Buckets<A> {
    /// Bucket starts, ascending, with their figures.
    pub fn rows(&self) -> &[(i64, A)] {
        &self.buckets
    }

    /// A window of the same length with these buckets; `None` if they are not in order.
    pub fn with_rows(&self, rows: Vec<(i64, A)>) -> Option<Self> {
        rows.is_sorted_by(|a, b| a.0 < b.0).then_some(Buckets { span: self.span, buckets: rows })
    }
}

impl<A: Merge + Clone> Buckets<A> {
    /// An empty window of `span` ms, at least 1.
    pub fn new(span: i64) -> Self {
        Buckets { span: span.max(1), buckets: Vec::new() }
    }

    /// Width of a bucket in ms.
    pub fn width(&self) -> i64 {
        (self.span / PER_WINDOW).max(1)
    }

    /// The figure that an event at `time` goes into, made by `empty` if it is the bucket's first. Drops buckets that
    /// have left the window at `now`. `None` if the event's own bucket has left it already.
    pub fn at(&mut self, time: i64, now: i64, empty: impl FnOnce() -> A) -> Option<&mut A> {
        let outside = now.saturating_sub(self.span).saturating_sub(self.width());
        self.buckets.retain(|(start, _)| *start > outside);
        let start = time.div_euclid(self.width()) * self.width();
        if start <= outside {
            return None;
        }
        let position = self.buckets.partition_point(|(s, _)| *s < start);
        if self.buckets.get(position).is_none_or(|(s, _)| *s != start) {
            self.buckets.insert(position, (start, empty()));
        }
        Some(&mut self.buckets[position].1)
    }

    /// All buckets that count at `now`, merged; `None` if there is none.
    pub fn merged(&self, now: i64) -> Option<A> {
        let outside = now.saturating_sub(self.span).saturating_sub(self.width());
        let mut inside = self.buckets.iter().filter(|(start, _)| *start > outside && *start <= now);
        let mut all = inside.next()?.1.clone();
        inside.for_each(|(_, figure)| all.merge(figure));
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_lie_between_the_exact_ones(
            span in 1i64..10_000, mut times in prop::collection::vec(0i64..50_000, 1..200), late in 0i64..500,
        ) {
            times.sort_unstable();
            let mut window = Buckets::<u64>::new(span);
            let mut folded = Vec::new();
            for now in times {
                let time = (now - late).max(0);
                if let Some(count) = window.at(time, now, || 0) {
                    *count += 1;
                }
                folded.push(time);
                let exact = |length: i64| folded.iter().filter(|t| **t > now - length && **t <= now).count() as u64;
                let got = window.merged(now).unwrap_or(0);
                prop_assert!(got >= exact(span) && got <= exact(span + window.width()));
            }
        }
    }
}
