//! Number of distinct values: exact up to 64, then HyperLogLog.
//!
//! Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog" (2007), with 2^10 registers (standard error 1.04 /
//! sqrt(1024) = 3.3 %) and its linear counting for small cardinalities.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::Figures;
use crate::model::value::Value;

/// Most values that are counted exactly.
const MAX_EXACT: usize = 64;
/// Bytes, with one for the kind, up to which hashing a value needs no allocation.
const USUAL: usize = 64;
/// Bits of a hash that select the register.
const INDEX_BITS: u32 = 10;
const REGISTERS: usize = 1 << INDEX_BITS;

/// The set of distinct values folded so far, for counting them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Distinct {
    /// Hashes of all values, ascending; at most 64.
    Exact(Vec<u64>),
    /// HyperLogLog registers.
    Sketch(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct::Exact(Vec::new())
    }
}

impl Distinct {
    /// The exact set of these hashes; `None` if there are more than 64 or they do not ascend.
    pub fn exact(hashes: Vec<u64>) -> Option<Self> {
        (hashes.len() <= MAX_EXACT && hashes.is_sorted_by(|a, b| a < b)).then_some(Distinct::Exact(hashes))
    }

    /// The sketch with these registers; `None` unless there are 1,024 of them.
    pub fn sketch(registers: Vec<u8>) -> Option<Self> {
        (registers.len() == REGISTERS).then_some(Distinct::Sketch(registers))
    }

    /// Folds a value. Values are the same if they are spelled the same, whole floats as integers.
    pub fn add(&mut self, value: &Value<'_>) {
        self.add_hash(hash(value));
    }

    /// Number of distinct values: exact up to 64, then estimated.
    pub fn count(&self) -> u64 {
        match self {
            Distinct::Exact(hashes) => hashes.len() as u64,
            Distinct::Sketch(registers) => estimate(registers),
        }
    }

    fn add_hash(&mut self, hash: u64) {
        match self {
            Distinct::Sketch(registers) => register(registers, hash),
            Distinct::Exact(hashes) => {
                let Err(position) = hashes.binary_search(&hash) else { return };
                if hashes.len() < MAX_EXACT {
                    if hashes.is_empty() {
                        // Many sets never have another.
                        hashes.reserve_exact(1);
                    }
                    hashes.insert(position, hash);
                    return;
                }
                let mut registers = vec![0; REGISTERS];
                hashes.iter().chain([&hash]).for_each(|h| register(&mut registers, *h));
                *self = Distinct::Sketch(registers);
            }
        }
    }
}

impl Figures for Distinct {
    type Fold = u64;

    const ONCE: bool = true;

    fn fold(&mut self, fold: u64) {
        self.add_hash(fold);
    }

    fn merge(&mut self, other: &Distinct) {
        match other {
            Distinct::Exact(hashes) => hashes.iter().for_each(|hash| self.add_hash(*hash)),
            Distinct::Sketch(theirs) => {
                let mut registers = theirs.clone();
                match self {
                    Distinct::Exact(hashes) => hashes.iter().for_each(|h| register(&mut registers, *h)),
                    Distinct::Sketch(ours) => {
                        registers.iter_mut().zip(ours).for_each(|(r, o)| *r = (*r).max(*o));
                    }
                }
                *self = Distinct::Sketch(registers);
            }
        }
    }
}

/// Hash by which a value is told apart from others.
pub(super) fn hash(value: &Value<'_>) -> u64 {
    let number = |f: f64| {
        let i = f as i64;
        if i as f64 == f {
            hash_of(b'i', &i.to_le_bytes())
        } else {
            hash_of(b'f', &f.to_bits().to_le_bytes())
        }
    };
    match value {
        Value::Bool(b) => hash_of(b't', if *b { b"true" } else { b"false" }),
        Value::Int(i) => hash_of(b'i', &i.to_le_bytes()),
        Value::Float(f) => number(*f),
        Value::Text(t) => match (t.parse::<i64>(), t.parse::<f64>()) {
            (Ok(i), _) if i.to_string() == **t => hash_of(b'i', &i.to_le_bytes()),
            (_, Ok(f)) if f.is_finite() && f.to_string() == **t => number(f),
            _ => hash_of(b't', t.as_bytes()),
        },
        Value::Nested(json) => hash_of(b't', json.as_bytes()),
    }
}

/// Hash of a value's bytes behind one for its kind.
fn hash_of(kind: u8, bytes: &[u8]) -> u64 {
    let mut all = SmallVec::<[u8; USUAL]>::new();
    all.push(kind);
    all.extend_from_slice(bytes);
    xxh3_64(&all)
}

fn register(registers: &mut [u8], hash: u64) {
    let index = (hash >> (64 - INDEX_BITS)) as usize;
    let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() as u8 + 1;
    registers[index] = registers[index].max(rank);
}

fn estimate(registers: &[u8]) -> u64 {
    let m = REGISTERS as f64;
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m
        / registers.iter().map(|r| 0.5f64.powi(i32::from(*r))).sum::<f64>();
    let empty = registers.iter().filter(|r| **r == 0).count();
    if raw <= 2.5 * m && empty > 0 {
        (m * (m / empty as f64).ln()).round() as u64
    } else {
        raw.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: std::ops::Range<i64>) -> Distinct {
        let mut distinct = Distinct::default();
        range.for_each(|i| distinct.add(&Value::Int(i)));
        distinct
    }

    #[test]
    fn exact_to_64() {
        assert_eq!(of(0..64).count(), 64);
    }

    #[test]
    fn estimates_within_three_standard_errors() {
        for n in [65, 200, 1_000, 5_000, 50_000] {
            let error = (of(0..n).count() as f64 / n as f64 - 1.0).abs();
            assert!(error < 0.1, "{n}: {error}");
        }
    }

    #[test]
    fn merging_equals_folding_all() {
        for (a, b) in [(0..10, 5..40), (0..60, 50..90), (0..500, 3..9), (0..3, 0..900), (0..800, 400..1500)] {
            let all = of(a.start..b.end.max(a.end));
            let mut merged = of(a);
            merged.merge(&of(b));
            assert_eq!(merged.count(), all.count());
        }
    }

    #[test]
    fn hashes_are_those_that_checkpoints_contain() {
        let long = "x".repeat(USUAL);
        let values = [Value::Int(5), Value::Float(0.5), Value::Bool(true), Value::Text(long.as_str().into())];
        let bytes: [&[u8]; 4] =
            [b"i\x05\0\0\0\0\0\0\0", b"f\0\0\0\0\0\0\xe0\x3f", b"ttrue", &[b"t", long.as_bytes()].concat()];
        assert_eq!(values.each_ref().map(hash), bytes.map(xxh3_64));
    }

    #[test]
    fn a_text_is_a_number_if_it_is_its_one_spelling() {
        let count = |values: &[Value<'_>]| {
            let mut distinct = Distinct::default();
            values.iter().for_each(|value| distinct.add(value));
            distinct.count()
        };
        let text = |text: &'static str| Value::Text(text.into());
        assert_eq!(count(&[Value::Int(5), Value::Float(5.0), text("5")]), 1);
        assert_eq!(count(&[Value::Float(12.5), text("12.5")]), 1);
        assert_eq!(count(&[Value::Bool(true), text("true")]), 1);
        let codes = ["7", "007", "07", "7.0", "+7", "7e0", "12345678901234567890", "12345678901234567891"];
        assert_eq!(count(&codes.map(text)), 8);
    }
}
