//! SplitMix64: small, fast, and the same numbers on every machine and in every release.

/// A deterministic stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

/// Scrambles a number over all 64 bits.
pub(super) const fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Scales 32 random bits to `0..bound`.
pub(super) const fn scale(bits: u32, bound: u32) -> u32 {
    ((bits as u64 * bound as u64) >> 32) as u32
}

impl Random {
    pub(super) fn new(seed: u64, stream: u64) -> Random {
        Random(mix(seed.wrapping_add(mix(stream.wrapping_add(0x9e37_79b9_7f4a_7c15)))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in `0..bound`.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        scale((self.next() >> 32) as u32, bound)
    }

    /// Uniform in `low..=high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}
