//! Numbers of a record, eight digits per step.
//!
//! Invariant: a number is read only if its value is exact: an integer of at most 18 digits, or a decimal
//! fraction whose digits, without the point, are a number up to 2^53 and at most 18 behind the point. Such a
//! fraction is a quotient of two numbers that `f64` holds exactly, so that one division rounds it correctly
//! (Clinger 1990, "How to read floating point numbers accurately").

use super::walk::seldom;
use crate::model::value::Value;

/// Most digits before and behind the point; their values fit 63 bits.
const MOST_DIGITS: usize = 18;

/// Largest number up to which `f64` holds every integer.
const MAX_EXACT: u64 = 1 << 53;

const POWERS_OF_TEN: [u64; MOST_DIGITS + 1] = {
    let mut powers = [1; MOST_DIGITS + 1];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// A number, and the position behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) value: Value<'static>,
    pub(super) end: usize,
}

impl Number {
    /// Reads the number at `at`. `None` if there is none, or one that is not read exactly here: more digits,
    /// an exponent, a negative zero. What follows the number is not looked at, except for an exponent.
    #[inline(always)]
    pub(super) fn read(record: &[u8], at: usize) -> Option<Number> {
        let byte = |at: usize| record.get(at).copied().unwrap_or_default();
        let negative = byte(at) == b'-';
        let start = if negative {
            seldom();
            at + 1
        } else {
            at
        };
        let whole = Digits::read(record, start)?;
        if byte(start) == b'0' && whole.count > 1 {
            return None;
        }
        let mut end = start + whole.count;
        let value = if byte(end) == b'.' {
            let fraction = Digits::read(record, end + 1)?;
            end += 1 + fraction.count;
            let float = whole.point(&fraction)?;
            Value::Float(if negative { -float } else { float })
        } else {
            let int = whole.value as i64;
            Value::Int(if negative { -int } else { int })
        };
        let negative_zero = negative && matches!(value, Value::Int(0) | Value::Float(0.0));
        (!negative_zero && !matches!(byte(end), b'e' | b'E')).then_some(Number { value, end })
    }
}

/// A run of 1 to [`MOST_DIGITS`] digits.
struct Digits {
    value: u64,
    count: usize,
}

impl Digits {
    /// Reads all digits from `at` on.
    #[inline(always)]
    fn read(record: &[u8], at: usize) -> Option<Digits> {
        let (mut value, mut count) = (0u64, 0);
        loop {
            let word = word_at(record, at + count);
            let digits = leading_digits(word);
            count += digits;
            if count > MOST_DIGITS {
                return None;
            }
            value = value * POWERS_OF_TEN[digits] + decimal(word, digits);
            if digits < 8 {
                return (count > 0).then_some(Digits { value, count });
            }
        }
    }

    /// The number with these digits before its point and those of `fraction` behind it, if it is exact.
    fn point(&self, fraction: &Digits) -> Option<f64> {
        let scale = POWERS_OF_TEN[fraction.count];
        let digits = self.value.checked_mul(scale)?.checked_add(fraction.value)?;
        (digits <= MAX_EXACT).then(|| digits as f64 / scale as f64)
    }
}

/// The eight bytes at `at`, the first lowest; zeros behind the end of the record, and for a record of less
/// than eight bytes.
fn word_at(record: &[u8], at: usize) -> u64 {
    match record.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => record.last_chunk().map_or(0, |last| {
            let beyond = at + 8 - record.len();
            u64::from_le_bytes(*last).unbounded_shr(8 * beyond as u32)
        }),
    }
}

/// Number of digits among the eight bytes, up to the first other byte.
fn leading_digits(word: u64) -> usize {
    // A digit is 0 to 9 now; adding 0x76 sets the high bit of every other byte up to 0x89, larger ones have
    // it. A carry reaches only bytes behind such a one.
    let word = word ^ 0x3030_3030_3030_3030;
    let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    others.trailing_zeros() as usize / 8
}

/// Value of the first `digits` (at most 8) bytes, which are digits.
fn decimal(word: u64, digits: usize) -> u64 {
    // Leading zeros fill up to eight digits; then pairs, fours and eights are put together.
    let ones = word.unbounded_shl(64 - 8 * digits as u32) & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = (ones.wrapping_mul(10 * 256 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 65_536 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number at the beginning of `text`, which stands behind other bytes; its end is that in `text`.
    fn read(before: usize, text: &str) -> Option<Number> {
        let start = 8 + before;
        let record = format!("{}{text}", "5".repeat(start));
        let Number { value, end } = Number::read(record.as_bytes(), start)?;
        Some(Number { value, end: end - start })
    }

    #[test]
    fn what_is_not_exact_is_not_read() {
        let digits18 = "123456789012345678";
        let cases = [
            "",
            "-",
            "a",
            "+1",
            ".5",
            "5.",
            "5.,",
            "-.5",
            "01",
            "-01",
            "00",
            "00.5",
            "-0",
            "-0.0",
            "-0.000",
            "1e5",
            "1E5",
            "1.5e3",
            "0e1",
            "1.e5",
            "1234567890123456789",
            "0.1234567890123456789",
            "9007199254740993.0",
            "900719925474099.35",
            "\u{ff11}",
            "--1",
        ];
        for text in cases {
            assert_eq!(read(0, text), None, "{text}");
            assert_eq!(read(9, &format!("{text},\"a\":1}}")), None, "{text}");
        }
        assert_eq!(read(0, digits18).unwrap().value, Value::Int(123_456_789_012_345_678));
        assert_eq!(
            read(3, "900719925474099.2}").unwrap(),
            Number { value: Value::Float(900_719_925_474_099.2), end: 17 }
        );
        assert_eq!(read(0, "0,1").unwrap(), Number { value: Value::Int(0), end: 1 });
    }

    proptest! {
        #[test]
        fn integers_are_read_as_written(int in -999_999_999_999_999_999..=999_999_999_999_999_999i64, digits in 0..18u32, before in 0..20usize) {
            let int = int / 10i64.pow(digits);
            let text = int.to_string();
            for after in ["", ",", "}}", ",\"a\":12345678}", " 1", "/", ":"] {
                let number = Number { value: Value::Int(int), end: text.len() };
                prop_assert_eq!(read(before, &format!("{text}{after}")), Some(number));
            }
        }

        #[test]
        fn fractions_are_rounded_correctly(text in "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,18}", after in "(}}|,\"a\":12)?") {
            if let Some(number) = read(2, &format!("{text}{after}")) {
                let right: f64 = text.parse().unwrap();
                prop_assert!(matches!(number.value, Value::Float(float) if float.to_bits() == right.to_bits()));
                prop_assert_eq!(number.end, text.len());
            } else {
                let digits: u128 = text.replace(['-', '.'], "").parse().unwrap();
                prop_assert!(digits > MAX_EXACT.into() || (digits == 0 && text.starts_with('-')));
            }
        }
    }
}
