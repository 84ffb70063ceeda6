//! Segments: a growing row of elements, none of which is moved once there are many.
//!
//! A worker looks all over its state, so up to a tenth of its time goes into the tables of pages unless the
//! system gives it huge ones. A vector that grows loses them: the system moves it page by page. Here the
//! elements lie in segments instead, each of which is mapped as a whole and filled from its beginning.
//!
//! **Invariants**
//! - A run of elements that are added together lies in one segment.
//! - The segment of an element, and its place there, follow from its position alone. A run that does not fit
//!   begins the next segment; the positions between stand for nothing. One that is longer than a segment has
//!   the positions of several.
//! - The first elements, up to a 32nd of a segment, lie in a vector that grows as usual: a worker with little
//!   state takes little memory.
//! - Huge pages are asked for at once for the first segment, and for a later one when it is full. Then the system
//!   puts them in place in the background; at once it would clear each as a whole at its first use, which takes
//!   longer than clearing small ones that are filled next, and holds up the worker where state grows quickly.

use std::ops::{Index, IndexMut};

use crate::processor::huge_pages;

/// Least bytes of a segment. From here on glibc always maps what is asked for by itself, and parts of it that
/// nobody has touched take no memory.
const BYTES: usize = 32 << 20;

/// A growing row of elements, in segments of at least so many bytes.
#[derive(Debug)]
pub(super) struct Segments<T, const SEGMENT: usize = BYTES> {
    segments: Vec<Vec<T>>,
    /// First position behind the last run.
    end: usize,
}

impl<T, const SEGMENT: usize> Default for Segments<T, SEGMENT> {
    fn default() -> Self {
        Segments { segments: vec![Vec::new()], end: 0 }
    }
}

impl<T, const SEGMENT: usize> Segments<T, SEGMENT> {
    /// Elements of a segment, a power of two.
    const LENGTH: usize = (SEGMENT / size_of::<T>()).next_power_of_two();

    /// Number of positions, those between runs included.
    pub(super) fn len(&self) -> usize {
        self.end
    }

    /// Adds a run of `length` elements; returns the position of the first.
    pub(super) fn add(&mut self, length: usize, element: impl FnMut() -> T) -> usize {
        if self.end % Self::LENGTH + length > Self::LENGTH {
            self.end = self.end.next_multiple_of(Self::LENGTH);
        }
        let (first, at) = (self.end, self.end / Self::LENGTH);
        if at >= self.segments.len() {
            self.segments.last_mut().into_iter().for_each(|full| huge_pages(full));
            self.segments.resize_with(at + 1, Vec::new);
        }
        let segment = &mut self.segments[at];
        let filled = segment.len() + length;
        if filled > segment.capacity() && (at > 0 || filled > Self::LENGTH / 32) {
            let mut whole = Vec::with_capacity(length.max(Self::LENGTH));
            if at == 0 {
                huge_pages(whole.spare_capacity_mut());
            }
            whole.append(segment);
            *segment = whole;
        }
        segment.resize_with(filled, element);
        let positions = if length > Self::LENGTH { length.next_multiple_of(Self::LENGTH) } else { length };
        self.end = first + positions;
        first
    }

    /// The element at a position.
    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.segments.get(at / Self::LENGTH)?.get(at % Self::LENGTH)
    }

    /// Elements from a position to the end of its segment.
    #[inline(always)]
    pub(super) fn tail(&self, at: usize) -> &[T] {
        &self.segments[at / Self::LENGTH][at % Self::LENGTH..]
    }

    /// Elements [from](Self::tail) a position, mutable.
    #[inline(always)]
    pub(super) fn tail_mut(&mut self, at: usize) -> &mut [T] {
        &mut self.segments[at / Self::LENGTH][at % Self::LENGTH..]
    }

    /// Elements from one position on, and mutable ones from another on, of two runs of these lengths that have
    /// nothing in common.
    pub(super) fn two(
        &mut self,
        (from, length): (usize, usize),
        (to, long): (usize, usize),
    ) -> (&[T], &mut [T]) {
        let (source, target) = (from / Self::LENGTH, to / Self::LENGTH);
        let (from, to) = (from % Self::LENGTH, to % Self::LENGTH);
        if length == 0 {
            return (&[], &mut self.segments[target][to..to + long]);
        }
        if source == target {
            let (before, behind) = self.segments[source].split_at_mut(from.max(to));
            return match from < to {
                true => (&before[from..from + length], &mut behind[..long]),
                false => (&behind[..length], &mut before[to..to + long]),
            };
        }
        let (before, behind) = self.segments.split_at_mut(source.max(target));
        match source < target {
            true => (&before[source][from..from + length], &mut behind[0][to..to + long]),
            false => (&behind[0][from..from + length], &mut before[target][to..to + long]),
        }
    }

    /// All elements, without positions.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
    }
}

impl<T, const SEGMENT: usize> Index<usize> for Segments<T, SEGMENT> {
    type Output = T;

    #[inline(always)]
    fn index(&self, at: usize) -> &T {
        &self.segments[at / Self::LENGTH][at % Self::LENGTH]
    }
}

impl<T, const SEGMENT: usize> IndexMut<usize> for Segments<T, SEGMENT> {
    #[inline(always)]
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.segments[at / Self::LENGTH][at % Self::LENGTH]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_stay_where_they_were_added(
            lengths in prop::collection::vec(prop_oneof![6 => 1..30usize, 1 => 30..200usize], 1..40),
            copied in any::<[prop::sample::Index; 2]>(),
        ) {
            // 64 elements each.
            let mut segments = Segments::<u64, 512>::default();
            let (mut runs, mut number) = (Vec::new(), 0);
            for length in lengths {
                let before = number;
                let first = segments.add(length, || { number += 1; number });
                runs.push((first, before + 1..=number));
                prop_assert!(first + length <= segments.len());
            }
            let [(from, long), (to, short)] = copied.map(|index| index.get(&runs).clone());
            for (first, numbers) in &runs {
                let own = segments.tail(*first)[..numbers.clone().count()].iter().copied();
                prop_assert!(own.eq(numbers.clone()));
                prop_assert_eq!(segments.get(*first), Some(numbers.start()));
            }
            let length = long.clone().count().min(short.count());
            if from != to {
                let (source, target) = segments.two((from, length), (to, length));
                target.copy_from_slice(source);
            }
            prop_assert!(segments.tail(to)[..length].iter().copied().eq(long.take(length)));
        }
    }

    #[test]
    fn few_elements_take_little_memory_and_many_are_not_moved() {
        let mut segments = Segments::<u64, 8192>::default();
        segments.add(3, || 0);
        assert!(segments.segments[0].capacity() < 32);
        segments.add(30, || 0);
        let place = std::ptr::from_ref(&segments[0]);
        (0..5_000).for_each(|i| assert_eq!(segments.add(1, || 0), 33 + i));
        assert_eq!((std::ptr::from_ref(&segments[0]), segments.segments.len()), (place, 5));
    }
}
