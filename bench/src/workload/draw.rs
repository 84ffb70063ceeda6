//! Random draws: uniform, weighted, without repeats.
//!
//! All draws are ChaCha's bits under integer arithmetic, and weights are whole numbers, so that a seed gives
//! the same workload on every machine and in every release.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// One of the independent streams of a seed.
    pub fn new(seed: u64, stream: u64) -> Draw {
        let mut bits = ChaCha8Rng::seed_from_u64(seed);
        bits.set_stream(stream);
        Draw(bits)
    }

    /// Uniform in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// True in `percent` of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, uniformly; there must be some.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }

    /// `count` of `items` without repeats, in random order.
    pub fn sample<'i, T>(&mut self, items: &'i [T], count: usize) -> Vec<&'i T> {
        let mut rest: Vec<&T> = items.iter().collect();
        self.shuffle(&mut rest);
        rest.truncate(count);
        rest
    }

    /// Shuffles `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Weights of the numbers from 0 on.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Cumulative weight of each number.
    sums: Vec<u64>,
}

impl Weights {
    /// From a list of weights, at least one of which must be positive.
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Weights {
        let mut sum = 0;
        let add = |weight: u64| {
            sum += weight;
            sum
        };
        Weights { sums: weights.into_iter().map(add).collect() }
    }

    /// Zipf-Mandelbrot: number `i` weighs `1 / (i + 1 + flatness) ^ exponent`.
    pub fn zipf(count: usize, exponent: f64, flatness: f64) -> Weights {
        // Rounded: the last bits of a power differ between platforms.
        let weight = |i: usize| ((1u64 << 36) as f64 * (i as f64 + 1.0 + flatness).powf(-exponent)).round();
        Weights::new((0..count).map(|i| weight(i) as u64))
    }

    /// Draws one of the numbers by weight.
    pub fn draw(&self, draw: &mut Draw) -> usize {
        let at = draw.below(self.total() as usize) as u64;
        self.sums.partition_point(|sum| *sum <= at)
    }

    /// The number before which the given share of all weight lies.
    pub fn quantile(&self, share: f64) -> usize {
        let at = self.total() as f64 * share;
        self.sums.partition_point(|sum| *sum as f64 <= at).min(self.sums.len().saturating_sub(1))
    }

    /// Share of all weight of the numbers for which `wanted` holds.
    pub fn share(&self, wanted: impl Fn(usize) -> bool) -> f64 {
        let weight = |i: usize| self.sums[i] - if i == 0 { 0 } else { self.sums[i - 1] };
        let sum: u64 = (0..self.sums.len()).filter(|i| wanted(*i)).map(weight).sum();
        sum as f64 / self.total() as f64
    }

    fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }
}

/// Scrambles a number over all 64 bits.
pub fn scatter(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let weights = Weights::new([1, 0, 3]);
        let mut draw = Draw::new(1, 0);
        let mut seen = [0; 3];
        (0..4000).for_each(|_| seen[weights.draw(&mut draw)] += 1);
        assert_eq!(seen[1], 0);
        assert!((900..1100).contains(&seen[0]), "{seen:?}");
        assert_eq!((weights.quantile(0.2), weights.quantile(0.5), weights.quantile(1.0)), (0, 2, 2));
        assert!((weights.share(|i| i == 2) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_sample_has_no_repeats() {
        let mut sample = Draw::new(7, 1).sample(&[1, 2, 3, 4, 5], 4);
        sample.sort_unstable();
        sample.dedup();
        assert_eq!(sample.len(), 4);
    }
}
