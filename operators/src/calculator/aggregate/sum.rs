//! Sum of numbers: exact, as people add amounts of money.
//!
//! A number counts as the decimal that it is written as, in units of 10⁻⁹, so `33.3 + 66.7` is 100 and the order of
//! additions does not matter. From a number with more than nine decimal places on, or one that doesn't fit, the sum
//! is one of floats whose rounding errors are kept beside it (A. Neumaier, Rundungsfehleranalyse einiger Verfahren
//! zur Summation endlicher Summen, 1974).

use serde::{Deserialize, Serialize};

use crate::model::number::Number;

/// Units of 1.
const ONE: i128 = 1_000_000_000;

/// Decimal places of a unit.
const PLACES: usize = 9;

/// Up to here, each whole number is a float, and each decimal of so many units is spelled by one float alone.
const CERTAIN: f64 = 1e15;

/// Sum of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sum {
    /// An exact decimal, in units of 10⁻⁹.
    Exact(i128),
    /// A sum of floats, and what they lost by rounding.
    Rounded {
        /// Sum as rounded at each addition.
        sum: f64,
        /// Sum of the rounding errors.
        rest: f64,
    },
}

impl Default for Sum {
    fn default() -> Self {
        Sum::Exact(0)
    }
}

impl Sum {
    /// Adds a number.
    #[inline]
    pub fn add(&mut self, number: Number) {
        *self = match (*self, units(number)) {
            (Sum::Exact(sum), Some(units)) => match sum.checked_add(units) {
                Some(sum) => Sum::Exact(sum),
                None => self.rounded(number.float()),
            },
            _ => self.rounded(number.float()),
        };
    }

    /// Adds all that another has added.
    pub fn merge(&mut self, other: &Sum) {
        *self = match (*self, *other) {
            (Sum::Exact(a), Sum::Exact(b)) if a.checked_add(b).is_some() => Sum::Exact(a + b),
            (_, Sum::Exact(units)) => self.rounded(float(units)),
            (_, Sum::Rounded { sum, rest }) => self.rounded(sum).rounded(rest),
        };
    }

    fn rounded(self, number: f64) -> Sum {
        let (sum, rest) = match self {
            Sum::Exact(units) => (float(units), 0.0),
            Sum::Rounded { sum, rest } => (sum, rest),
        };
        let next = sum + number;
        let lost = if sum.abs() >= number.abs() { sum - next + number } else { number - next + sum };
        Sum::Rounded { sum: next, rest: rest + if lost.is_finite() { lost } else { 0.0 } }
    }

    /// The nearest float.
    pub fn float(&self) -> f64 {
        match self {
            Sum::Exact(units) => float(*units),
            Sum::Rounded { sum, rest } => sum + rest,
        }
    }

    /// Mean of `count` numbers with this sum.
    pub fn mean(&self, count: u64) -> f64 {
        match self {
            Sum::Exact(units) if units % i128::from(count) == 0 => float(units / i128::from(count)),
            sum => sum.float() / count as f64,
        }
    }
}

/// Distance of two numbers; exact if both have at most nine decimal places.
pub(super) fn difference(a: Number, b: Number) -> f64 {
    match (units(a), units(b)) {
        (Some(a), Some(b)) => a.checked_sub(b).map_or(f64::INFINITY, float),
        _ => a.float() - b.float(),
    }
}

/// Units of a number; `None` if it has more than nine decimal places, or does not fit.
fn units(number: Number) -> Option<i128> {
    match number {
        Number::Int(int) => Some(i128::from(int) * ONE),
        Number::Float(float) => few_digits(float).or_else(|| spelled(float)),
    }
}

/// Units of a float that a decimal of at most 15 digits spells, with nine places or six.
#[inline]
fn few_digits(float: f64) -> Option<i128> {
    [(1e9, 1), (1e6, 1_000)].into_iter().find_map(|(scale, units)| {
        let scaled = (float * scale).round();
        // Both are whole, so the quotient is the float nearest to the decimal.
        (scaled.abs() <= CERTAIN && scaled / scale == float).then(|| i128::from(scaled as i64) * units)
    })
}

/// Units of a float by its shortest spelling.
fn spelled(float: f64) -> Option<i128> {
    let text = float.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let missing = PLACES.checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

/// The float nearest to some units.
fn float(units: i128) -> f64 {
    let (mut digits, mut scale) = (units, ONE as f64);
    while digits.unsigned_abs() > CERTAIN as u128 && scale > 1.0 && digits % 10 == 0 {
        (digits, scale) = (digits / 10, scale / 10.0);
    }
    if digits.unsigned_abs() <= CERTAIN as u128 || scale == 1.0 {
        return digits as f64 / scale;
    }
    // Decimal notation always parses.
    decimal(units).parse().unwrap_or(digits as f64 / scale)
}

/// Units in decimal notation, with all places.
pub(crate) fn decimal(units: i128) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:09}", units / ONE as u128, units % ONE as u128)
}

/// Units of a text in decimal notation with nine places, as [`decimal`] writes it.
pub(crate) fn of_decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.')?;
    (fraction.len() == PLACES).then(|| format!("{whole}{fraction}").parse().ok())?
}

/// The sum of which a stored float is all that is known.
pub(crate) fn of_float(sum: f64) -> Sum {
    match Number::from_float(sum).and_then(units) {
        Some(units) => Sum::Exact(units),
        None => Sum::Rounded { sum, rest: 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: &[f64]) -> Sum {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(Number::from_float(*number).unwrap()));
        sum
    }

    #[test]
    fn amounts_add_up() {
        assert_eq!(sum(&[33.3, 66.7]).float(), 100.0);
        assert_eq!(sum(&[0.1; 10]).float(), 1.0);
        assert_eq!(sum(&[0.1, 0.1, 0.1]).mean(3), 0.1);
        assert_eq!(sum(&[1_234_567_890.12, -0.12]).float(), 1_234_567_890.0);
        assert_eq!(sum(&[1.0, 1e-20]), Sum::Rounded { sum: 1.0, rest: 1e-20 });
        assert_eq!(sum(&[1.0, 1e-30, -1.0]).float(), 1e-30);
        assert_eq!(sum(&[1e300, 1.0, -1e300]).float(), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]).float(), f64::INFINITY);
        assert_eq!(difference(Number::Float(0.3), Number::Float(0.1)), 0.2);
        assert_eq!(difference(Number::Int(i64::MAX), Number::Int(i64::MIN)), u64::MAX as f64);
    }

    proptest! {
        #[test]
        fn a_number_counts_as_it_is_written(whole in -1_000_000_000_000i64..1_000_000_000_000, cut in 0u32..10) {
            // At most 15 digits, at any place.
            let units = i128::from(whole) * 10i128.pow(cut);
            let number = Number::from_float(decimal(units).parse().unwrap()).unwrap();
            prop_assert_eq!(super::units(number), Some(units));
            prop_assert_eq!(float(units), number.float());
        }

        #[test]
        fn the_order_does_not_matter(mut units in prop::collection::vec(-1_000_000_000_000i64..1_000_000_000_000, 1..30)) {
            let number = |units: &i64| float(i128::from(*units));
            let numbers: Vec<f64> = units.iter().map(number).collect();
            let whole: i128 = units.iter().map(|units| i128::from(*units)).sum();
            prop_assert_eq!(sum(&numbers), Sum::Exact(whole));
            units.sort_unstable();
            let (low, high) = units.split_at(units.len() / 2);
            let mut merged = sum(&low.iter().map(number).collect::<Vec<_>>());
            merged.merge(&sum(&high.iter().map(number).collect::<Vec<_>>()));
            prop_assert_eq!(merged, Sum::Exact(whole));
        }

        #[test]
        fn the_float_is_the_nearest(high in any::<i64>(), low in any::<u64>()) {
            let units = (i128::from(high) << 40) + i128::from(low);
            prop_assert_eq!(Ok(float(units)), decimal(units).parse());
            prop_assert_eq!(of_decimal(&decimal(units)), Some(units));
        }
    }
}
