//! Statistics in five words: `[sum, sum, count and flags, minimum, maximum]`.
//!
//! The flags, in the high bits of the third word, tell which of the sum, the minimum and the maximum are floats. Words
//! of zeros are statistics of nothing.

use crate::{
    calculator::aggregate::{Stats, Sum},
    model::number::Number,
};

/// Words of statistics.
pub(super) const WIDTH: usize = 5;

/// Flag of a sum that is rounded.
const ROUNDED: u64 = 1 << 63;

/// Flag of a minimum that is a float.
const MIN: u64 = 1 << 62;

/// Flag of a maximum that is a float.
const MAX: u64 = 1 << 61;

/// Writes statistics into their words.
pub(super) fn write(words: &mut [u64], stats: &Stats) {
    let (first, second, rounded) = match stats.sum {
        Sum::Exact(units) => (units as u64, (units >> 64) as u64, 0),
        Sum::Rounded { sum, rest } => (sum.to_bits(), rest.to_bits(), ROUNDED),
    };
    let number = |number: Number, flag: u64| match number {
        Number::Int(int) => (int.cast_unsigned(), 0),
        Number::Float(float) => (float.to_bits(), flag),
    };
    let ((min, low), (max, high)) = (number(stats.min, MIN), number(stats.max, MAX));
    words[..WIDTH].copy_from_slice(&[first, second, stats.count | rounded | low | high, min, max]);
}

/// Reads statistics from their words.
pub(super) fn read(words: &[u64]) -> Stats {
    let [first, second, count, min, max] = [words[0], words[1], words[2], words[3], words[4]];
    let number = |word: u64, flag: u64| match count & flag {
        0 => Number::Int(word.cast_signed()),
        _ => Number::Float(f64::from_bits(word)),
    };
    let sum = match count & ROUNDED {
        0 => Sum::Exact((u128::from(second) << 64 | u128::from(first)).cast_signed()),
        _ => Sum::Rounded { sum: f64::from_bits(first), rest: f64::from_bits(second) },
    };
    Stats { sum, count: count & !(ROUNDED | MIN | MAX), min: number(min, MIN), max: number(max, MAX) }
}
