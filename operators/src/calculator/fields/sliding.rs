//! A sliding count in four words: the form of a window that holds few folds.
//!
//! `[time of the first fold | number of folds]`, then 32 bits per further fold for how far it lies behind the first.
//! A window of more than seven folds, of farther ones, or with buckets is an object; its first word then is
//! `[number of the object | OBJECT]`. What is folded and what counts are as in a
//! [`Window`].

use crate::calculator::aggregate::{Cut, Window};

/// Words of a count.
pub(super) const WIDTH: usize = 4;

/// Most folds.
const MOST: usize = 2 * WIDTH - 1;

/// Bits of the first word that are not the first time's.
const LOW: u32 = 8;

/// Flag of the first word: the count is an object.
const OBJECT: u64 = 1 << 4;

/// What a sliding count has counted, at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlidingCount {
    /// Events in the window.
    pub inside: i64,
    /// Events ahead of the instant, which the window may come to contain.
    pub ahead: i64,
}

/// Number of the object that words name; `None` if the count is in the words.
pub(super) fn object(words: &[u64]) -> Option<u64> {
    (words[0] & OBJECT != 0).then_some(words[0] >> LOW)
}

/// Words that name an object.
pub(super) fn named(number: u64) -> [u64; WIDTH] {
    [number << LOW | OBJECT, 0, 0, 0]
}

/// Times of the folds that words hold, ascending.
fn times(words: &[u64]) -> impl Iterator<Item = i64> {
    let (first, n) = ((words[0] as i64) >> LOW, (words[0] & 7) as usize);
    (0..n).map(move |i| match i {
        0 => first,
        i => first + (words[i.div_ceil(2)] >> (i % 2 * 32) & 0xffff_ffff) as i64,
    })
}

/// Words of these times, which ascend; `None` if words have no room for them.
fn of_times(times: &[i64]) -> Option<[u64; WIDTH]> {
    if times.len() > MOST {
        return None;
    }
    let first = times.first().copied().unwrap_or(0);
    let mut words = [(first << LOW) as u64 | times.len() as u64, 0, 0, 0];
    let mut fits = (words[0] as i64) >> LOW == first;
    for (i, time) in times.iter().enumerate().skip(1) {
        let behind = time.wrapping_sub(first) as u64;
        fits &= behind <= 0xffff_ffff;
        words[i.div_ceil(2)] |= behind << (i % 2 * 32);
    }
    fits.then_some(words)
}

/// Counts an event at `time` in a window, at `now`; both in unix ms. Returns false, and changes nothing, if the words
/// have no room for it.
pub(super) fn count(words: &mut [u64], cut: Cut, time: i64, now: i64) -> bool {
    let oldest = cut.oldest(now);
    let mut held = [0; MOST + 1];
    let mut n = 0;
    for kept in times(words).filter(|kept| *kept >= oldest) {
        held[n] = kept;
        n += 1;
    }
    if time >= oldest {
        let at = held[..n].partition_point(|kept| *kept <= time);
        held.copy_within(at..n, at + 1);
        held[at] = time;
        n += 1;
    }
    match of_times(&held[..n]) {
        Some(counted) => {
            words[..WIDTH].copy_from_slice(&counted);
            true
        }
        None => false,
    }
}

/// Count of a window at `now`.
pub(super) fn at(words: &[u64], cut: Cut, now: i64) -> SlidingCount {
    let (since, ahead) = (cut.since(now), cut.ahead(now));
    let mut count = SlidingCount::default();
    for time in times(words) {
        count.inside += i64::from(time >= since && time < ahead);
        count.ahead += i64::from(time >= ahead);
    }
    count
}

/// The window that words hold.
pub(super) fn window(words: &[u64], cut: Cut) -> Window<u64> {
    let empty = Window::new(cut);
    empty.with(Vec::new(), times(words).map(|time| (time, ())).collect()).unwrap_or(empty)
}

/// Words of a window; `None` if they have no room for it.
pub(super) fn words(window: &Window<u64>) -> Option<[u64; WIDTH]> {
    let times: Vec<i64> = window.kept().iter().map(|(time, ())| *time).collect();
    if window.buckets().is_empty() { of_times(&times) } else { None }
}
