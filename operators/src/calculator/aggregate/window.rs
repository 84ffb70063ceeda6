//! Windows that move: the latest folds one by one, and those before them in buckets.
//!
//! A sliding window of length L at `now` is `(now - L, now]`; [`Cut`] cuts time into buckets of the width w. The
//! [`KEPT`] latest folds are kept with their times, and an older one is part of its bucket's figure. While no bucket
//! reaches into the window, its figure is exact; else that of all buckets that reach into it, whole, so it lies
//! between the exact one over L and the exact one over `L + w`. Folds ahead of `now` wait until their bucket begins. A
//! window of the calendar is exact with its buckets alone, as each is a period.
//!
//! **Invariants**
//! - The folds that are kept are the largest by time and value, so that a figure depends on what was folded, and not
//!   on the order.
//! - Of equal folds that [count once](Figures::ONCE) those are kept that can make a difference: the latest one in a
//!   bucket that has begun, and the latest of each bucket that has not. Together they are one of the [`KEPT`].
//!
//! Limits: only buckets into which something was folded exist, at most `L / w + 1` of the past, and of the future as
//! many as fit into the farthest that an event may lie ahead of `now`.

use std::fmt::Debug;

use super::Cut;

/// Number of folds that a window keeps with their times.
pub const KEPT: usize = 64;

/// Figures that a window has, and a bucket of it.
pub trait Figures {
    /// What is folded into them besides the time.
    type Fold: Copy + Debug + Ord;

    /// Whether equal folds count once.
    const ONCE: bool = false;

    /// Folds.
    fn fold(&mut self, fold: Self::Fold);

    /// Adds everything that `other` has folded.
    fn merge(&mut self, other: &Self);
}

/// A fold: its time in unix ms, and what is folded.
pub type Fold<A> = (i64, <A as Figures>::Fold);

/// A window that moves with `now`.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<A: Figures> {
    cut: Cut,
    /// Start of each bucket in unix ms, ascending, and its figure.
    buckets: Vec<(i64, A)>,
    /// The latest folds, ascending.
    kept: Vec<Fold<A>>,
}

impl<A: Figures> Window<A> {
    /// An empty window.
    pub fn new(cut: Cut) -> Self {
        Window { cut, buckets: Vec::new(), kept: Vec::new() }
    }

    /// How it cuts time.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.kept.is_empty()
    }

    /// Starts of the buckets in unix ms, ascending, and their figures.
    pub fn buckets(&self) -> &[(i64, A)] {
        &self.buckets
    }

    /// The latest folds, ascending.
    pub fn kept(&self) -> &[Fold<A>] {
        &self.kept
    }

    /// A window of the same length with this content; `None` if the buckets do not ascend, or if the folds are more
    /// than are kept.
    pub fn with(&self, buckets: Vec<(i64, A)>, mut kept: Vec<Fold<A>>) -> Option<Self> {
        kept.sort_unstable();
        let window = Window { cut: self.cut, buckets, kept };
        let is_valid = window.buckets.is_sorted_by(|a, b| a.0 < b.0) && !window.is_beyond(KEPT);
        is_valid.then_some(window)
    }

    /// Folds at `time`; `now` is the ingest time, both unix ms. `empty` makes the figure of a new bucket. Drops what
    /// has left the window at `now`.
    pub fn fold(&mut self, fold: A::Fold, time: i64, now: i64, empty: impl Fn() -> A) {
        let oldest = self.cut.oldest(now);
        drop_first(&mut self.buckets, |(start, _)| *start < oldest);
        drop_first(&mut self.kept, |(time, _)| *time < oldest);
        if time < oldest || A::ONCE && self.is_hidden(fold, time, now) {
            return;
        }
        if self.kept.is_empty() || self.kept.len() == KEPT {
            // Many windows never have another, and none has two more than are kept, as a rule.
            self.kept.reserve_exact(1);
        }
        let at = self.kept.partition_point(|kept| *kept <= (time, fold));
        self.kept.insert(at, (time, fold));
        while self.is_beyond(self.cut.kept()) {
            self.evict(&empty);
        }
    }

    /// Whether an equal fold that is kept counts whenever this one would; else drops those for which this one does.
    fn is_hidden(&mut self, fold: A::Fold, time: i64, now: i64) -> bool {
        let (cut, ahead) = (self.cut, self.cut.ahead(now));
        let hides = |later: i64, earlier: i64| {
            earlier <= later && (later < ahead || cut.start(earlier) == cut.start(later))
        };
        if self.kept.iter().any(|(kept, own)| *own == fold && hides(*kept, time)) {
            return true;
        }
        self.kept.retain(|(kept, own)| *own != fold || !hides(time, *kept));
        false
    }

    /// Positions of the folds, without those that count once with a later one.
    fn counted(&self) -> impl Iterator<Item = usize> {
        let is_last = |at: &usize| self.kept[at + 1..].iter().all(|(_, later)| *later != self.kept[*at].1);
        (0..self.kept.len()).filter(move |at| !A::ONCE || is_last(at))
    }

    /// Whether there are more folds than these.
    fn is_beyond(&self, most: usize) -> bool {
        self.kept.len() > most && self.counted().count() > most
    }

    /// Moves the first fold that counts, with those that count once with it, into buckets.
    fn evict(&mut self, empty: &impl Fn() -> A) {
        let Some(first) = self.counted().next() else { return };
        let Window { cut, buckets, kept } = self;
        let evicted = kept[first].1;
        for (time, fold) in kept.extract_if(..=first, |(_, fold)| *fold == evicted) {
            let start = cut.start(time);
            let at = buckets.partition_point(|(other, _)| *other < start);
            if buckets.get(at).is_none_or(|(other, _)| *other != start) {
                buckets.insert(at, (start, empty()));
            }
            buckets[at].1.fold(fold);
        }
    }

    /// Buckets and folds that count at `now`.
    pub fn content(&self, now: i64) -> (&[(i64, A)], &[Fold<A>]) {
        let (oldest, ahead) = (self.cut.oldest(now), self.cut.ahead(now));
        let buckets = &self.buckets[self.buckets.partition_point(|(start, _)| *start < oldest)..];
        let since = if buckets.is_empty() { self.cut.since(now) } else { oldest };
        let kept = &self.kept[self.kept.partition_point(|(time, _)| *time < since)..];
        let begun = buckets.partition_point(|(start, _)| *start < ahead);
        (&buckets[..begun], &kept[..kept.partition_point(|(time, _)| *time < ahead)])
    }

    /// Figure at `now`, added to one that is `empty`.
    pub fn figure(&self, now: i64, mut empty: A) -> A {
        let (buckets, kept) = self.content(now);
        buckets.iter().for_each(|(_, figure)| empty.merge(figure));
        kept.iter().for_each(|(_, fold)| empty.fold(*fold));
        empty
    }
}

/// Drops the first items as long as they are old.
fn drop_first<T>(items: &mut Vec<T>, is_old: impl Fn(&T) -> bool) {
    if items.first().is_some_and(&is_old) {
        items.drain(..items.partition_point(is_old));
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
