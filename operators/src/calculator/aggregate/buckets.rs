//! Sliding windows in buckets.
//!
//! The window of length L at `now` is `(now - L, now]`. Buckets are `w = max(1, L / 64)` ms wide and aligned
//! to the unix epoch; at `now` the buckets with a start `b` in `(now - L - w, now]` count. So a figure lies
//! between the exact one over L and the exact one over `L + w`, and all keys, processes and replays cut time
//! at the same places.
//!
//! Limits: only buckets into which something was folded are kept, at most `L / w + 1` of the past, and of the
//! future as many as fit into the farthest that an event may lie ahead of `now`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Merge;

/// Number of buckets that a window is divided into.
const BUCKETS_PER_WINDOW: i64 = 64;

/// A sliding window: one `A` per bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets<A> {
    span: i64,
    /// Start of each bucket in unix ms, ascending, and its figure.
    buckets: Vec<(i64, A)>,
}

impl<A> Buckets<A> {
    /// Length of the window, ms.
    pub fn span(&self) -> i64 {
        self.span
    }

    /// Starts of the buckets in unix ms, ascending, and their figures.
    pub fn rows(&self) -> &[(i64, A)] {
        &self.buckets
    }

    /// A window of the same length with these buckets; `None` if their starts do not ascend.
    pub fn with_rows(&self, rows: Vec<(i64, A)>) -> Option<Self> {
        rows.is_sorted_by(|a, b| a.0 < b.0).then_some(Buckets { span: self.span, buckets: rows })
    }
}

impl<A: Merge + Clone> Buckets<A> {
    /// An empty window of `span` ms, at least 1.
    pub fn new(span: i64) -> Self {
        Buckets { span: span.max(1), buckets: Vec::new() }
    }

    /// Width of a bucket, ms.
    pub fn width(&self) -> i64 {
        (self.span / BUCKETS_PER_WINDOW).max(1)
    }

    /// Figure of the bucket in which `time` lies; `empty` makes it if the bucket is new. Drops the buckets
    /// that have left the window at `now`. `None` if the bucket of `time` is one of those.
    pub fn at(&mut self, time: i64, now: i64, empty: impl FnOnce() -> A) -> Option<&mut A> {
        let outside = now.saturating_sub(self.span).saturating_sub(self.width());
        self.buckets.retain(|(start, _)| *start > outside);
        let start = time.saturating_sub(time.rem_euclid(self.width()));
        if start <= outside {
            return None;
        }
        let position = self.buckets.partition_point(|(s, _)| *s < start);
        if self.buckets.get(position).is_none_or(|(s, _)| *s != start) {
            if self.buckets.is_empty() {
                // Many windows never have another.
                self.buckets.reserve_exact(1);
            }
            self.buckets.insert(position, (start, empty()));
        }
        Some(&mut self.buckets[position].1)
    }

    /// Merged figure of all buckets that count at `now`; `None` if there are none. Most often it is one bucket's.
    pub fn merged(&self, now: i64) -> Option<Cow<'_, A>> {
        let outside = now.saturating_sub(self.span).saturating_sub(self.width());
        let mut inside = self.buckets.iter().filter(|(start, _)| *start > outside && *start <= now);
        let mut all = Cow::Borrowed(&inside.next()?.1);
        inside.for_each(|(_, figure)| all.to_mut().merge(figure));
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
                let got = window.merged(now).map_or(0, |count| *count);
                prop_assert!(got >= exact(span) && got <= exact(span + window.width()));
            }
        }
    }
}
