//! A sliding count in four words: the form of a window with few buckets that are not empty.
//!
//! `[first bucket | number of buckets]`, then per bucket 16 bits for how far it lies behind the first one,
//! and 16 for its count. A window with more than six buckets, farther buckets or higher counts is an object;
//! its first word then is `[number of the object | OBJECT]`. Buckets and what they count are those of
//! [`Buckets`](crate::calculator::aggregate::Buckets).

/// Words of a count.
pub(super) const WIDTH: usize = 4;

/// Most buckets.
const MOST: usize = 6;

/// Bits of the first word that are not the first bucket's.
const LOW: u32 = 8;

/// Flag of the first word: the count is an object.
const OBJECT: u64 = 1 << 4;

/// Buckets of a count, ascending: their numbers (time divided by width) and counts.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    buckets: [(i64, u64); MOST + 1],
    n: usize,
}

/// What a sliding count has counted, at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlidingCount {
    /// Events in the window.
    pub inside: i64,
    /// Events ahead of the instant, which the window may come to contain.
    pub ahead: i64,
}

/// Width of a bucket of a window of `span` ms.
fn width(span: i64) -> i64 {
    (span / 64).max(1)
}

/// Latest instant that has left the window at `now`, unix ms: buckets that begin then or before do not count.
fn outside(span: i64, now: i64) -> i64 {
    now.saturating_sub(span).saturating_sub(width(span))
}

/// Number of the object that words name; `None` if the count is in the words.
pub(super) fn object(words: &[u64]) -> Option<u64> {
    (words[0] & OBJECT != 0).then_some(words[0] >> LOW)
}

/// Words that name an object.
pub(super) fn named(number: u64) -> [u64; WIDTH] {
    [number << LOW | OBJECT, 0, 0, 0]
}

/// Buckets that words hold, ascending: their numbers and counts.
fn buckets(words: &[u64]) -> impl Iterator<Item = (i64, u64)> {
    let (base, n) = ((words[0] as i64) >> LOW, (words[0] & 7) as usize);
    (0..n.min(MOST)).map(move |i| {
        let pair = words[1 + i / 2] >> (i % 2 * 32);
        (base + (pair >> 16 & 0xffff) as i64, pair & 0xffff)
    })
}

impl Held {
    fn of(words: &[u64]) -> Self {
        let mut held = Held::default();
        for bucket in buckets(words) {
            held.buckets[held.n] = bucket;
            held.n += 1;
        }
        held
    }

    /// Removes the buckets that begin at `outside` or before.
    fn retain(&mut self, outside: i64, width: i64) {
        let gone =
            self.buckets[..self.n].iter().take_while(|(b, _)| b.saturating_mul(width) <= outside).count();
        self.buckets.copy_within(gone..self.n, 0);
        self.n -= gone;
    }

    /// Adds to a bucket; returns false if there are too many.
    fn add(&mut self, bucket: i64, count: u64) -> bool {
        let at = self.buckets[..self.n].partition_point(|(own, _)| *own < bucket);
        if at < self.n && self.buckets[at].0 == bucket {
            self.buckets[at].1 += count;
            return true;
        }
        self.buckets.copy_within(at..self.n, at + 1);
        self.buckets[at] = (bucket, count);
        self.n += 1;
        self.n <= MOST
    }

    /// Words of the count; `None` if they have no room for it.
    fn words(&self) -> Option<[u64; WIDTH]> {
        let base = if self.n == 0 { 0 } else { self.buckets[0].0 };
        let mut words = [(base << LOW) as u64 | self.n as u64, 0, 0, 0];
        let mut fits = (words[0] as i64) >> LOW == base;
        for (i, (bucket, count)) in self.buckets[..self.n].iter().enumerate() {
            let behind = bucket.wrapping_sub(base) as u64;
            fits &= behind <= 0xffff && *count <= 0xffff;
            words[1 + i / 2] |= (behind << 16 | count) << (i % 2 * 32);
        }
        fits.then_some(words)
    }
}

/// Counts an event at `time` in a window of `span`, at `now`; all in ms. Returns false, and changes nothing,
/// if the words have no room for it.
pub(super) fn count(words: &mut [u64], span: i64, time: i64, now: i64) -> bool {
    let (width, outside) = (width(span), outside(span, now));
    let mut held = Held::of(words);
    held.retain(outside, width);
    let bucket = time.div_euclid(width);
    if bucket.saturating_mul(width) > outside && !held.add(bucket, 1) {
        return false;
    }
    match held.words() {
        Some(counted) => {
            words[..WIDTH].copy_from_slice(&counted);
            true
        }
        None => false,
    }
}

/// Count of the window of `span` at `now`.
pub(super) fn at(words: &[u64], span: i64, now: i64) -> SlidingCount {
    let (width, outside) = (width(span), outside(span, now));
    let mut count = SlidingCount::default();
    for (bucket, own) in buckets(words) {
        match bucket.saturating_mul(width) {
            start if start > now => count.ahead += own as i64,
            start if start > outside => count.inside += own as i64,
            _ => {}
        }
    }
    count
}

/// Starts of the buckets in unix ms, ascending, and their counts.
pub(super) fn rows(words: &[u64], span: i64) -> Vec<(i64, u64)> {
    let held = Held::of(words);
    held.buckets[..held.n]
        .iter()
        .map(|(bucket, count)| (bucket.saturating_mul(width(span)), *count))
        .collect()
}

/// Words of a window with these buckets; `None` if they have no room for it.
pub(super) fn of_rows(rows: &[(i64, u64)], span: i64) -> Option<[u64; WIDTH]> {
    let mut held = Held::default();
    for (start, count) in rows {
        if start.rem_euclid(width(span)) != 0 || !held.add(start.div_euclid(width(span)), *count) {
            return None;
        }
    }
    held.words()
}
