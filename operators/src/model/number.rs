//! Numbers as filters and figures compare them: by numeric value.
//!
//! An integer stays exact, so that two long order numbers are never taken for each other; a float with an
//! integral value in the range of `i64` becomes that integer. So equal numbers are equal values here and have
//! the same hash.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use super::value::{Value, parse_number};

/// A number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Number {
    /// A whole number of 64 bits.
    Int(i64),
    /// A value that no `i64` has; never NaN.
    Float(f64),
}

/// 2^53: up to here, a float holds every whole number.
const TWO_POW_53: i64 = 9_007_199_254_740_992;

/// 2^63, the least float above the range of `i64`.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

impl Number {
    /// The number of a float; `None` for NaN.
    pub fn from_float(float: f64) -> Option<Number> {
        if float.is_nan() {
            None
        } else if float.fract() == 0.0 && (-TWO_POW_63..TWO_POW_63).contains(&float) {
            Some(Number::Int(float as i64))
        } else {
            Some(Number::Float(float))
        }
    }

    /// The number that a text spells, if it spells one.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let float = parse_number(text)?;
        match text.trim_matches([' ', '\t']).parse() {
            Ok(int) => Some(Number::Int(int)),
            Err(_) => Number::from_float(float),
        }
    }

    /// Numeric value of a value; a text is parsed, a boolean has none.
    pub(crate) fn of(value: &Value<'_>) -> Option<Number> {
        match value {
            Value::Int(int) => Some(Number::Int(*int)),
            Value::Float(float) => Number::from_float(*float),
            Value::Text(text) => Number::parse(text),
            Value::Bool(_) | Value::Nested(_) => None,
        }
    }

    /// The number as a figure: a float, and an integer where no float would be exact for certain.
    pub(crate) fn figure(self) -> Value<'static> {
        match self {
            Number::Int(int) if int.unsigned_abs() > TWO_POW_53 as u64 => Value::Int(int),
            number => Value::Float(number.float()),
        }
    }

    /// The nearest float.
    pub(crate) fn float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    pub(crate) fn of_json(number: &serde_json::Number) -> Option<Number> {
        number.as_i64().map(Number::Int).or_else(|| number.as_f64().and_then(Number::from_float))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            (Number::Float(a), Number::Float(b)) => a.total_cmp(&b),
            (Number::Int(a), Number::Float(b)) => beside(a, b),
            (Number::Float(a), Number::Int(b)) => beside(b, a).reverse(),
        }
    }
}

/// Compares an integer with a float that no `i64` equals.
fn beside(int: i64, float: f64) -> Ordering {
    if float >= TWO_POW_63 {
        Ordering::Less
    } else if float < -TWO_POW_63 {
        Ordering::Greater
    } else {
        // The float has a fraction, so it lies in range, strictly between two integers.
        if int <= float.floor() as i64 { Ordering::Less } else { Ordering::Greater }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Number::Int(int) => int.hash(state),
            Number::Float(float) => float.to_bits().hash(state),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::Number;

    #[test]
    fn equal_numbers_compare_equal_however_spelled() {
        let number = |text: &str| Number::parse(text).unwrap();
        assert_eq!(number("12.50"), number("1.25e1"));
        assert_eq!(number("5.0"), Number::Int(5));
        assert_eq!(number("-0"), number("0.0"));
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("9223372036854775807") < number("1e19"));
        assert!(number("-9223372036854775808") > number("-1e19"));
        assert!(number("-0.5") > Number::Int(-1) && number("-0.5") < Number::Int(0));
        assert_eq!(number(" +5 "), Number::Int(5));
        for text in
            ["", "-", "+-5", "5.", "007", "0x5", "1e400", "9223372036854775808", "inf", "重", "1.2.3", "--5"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn order_agrees_with_floats_where_those_are_exact(a in -1e6..1e6f64, b in -1_000_000..1_000_000i64) {
            let (a, b) = (if a.to_bits() % 2 == 0 { a } else { a.round() }, b as f64);
            let (x, y) = (Number::from_float(a).unwrap(), Number::from_float(b).unwrap());
            prop_assert_eq!(Some(x.cmp(&y)), a.partial_cmp(&b));
            prop_assert_eq!(x.cmp(&y), y.cmp(&x).reverse());
        }
    }
}
