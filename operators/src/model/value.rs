//! Values of properties and fields.

use std::borrow::Cow;

use super::decode::json;

/// A value of an event. `null` and lists of nothing else count as absent and have no `Value`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A number written without fraction or exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list or an object, as JSON.
    Nested(Cow<'a, str>),
}

impl Value<'_> {
    /// Numeric value; a text is parsed. `None` for booleans, and for texts that spell no finite number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            Value::Text(t) => parse_number(t),
            Value::Bool(_) | Value::Nested(_) => None,
        }
    }

    /// The value as text: a string itself, anything else in its JSON spelling.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(t) | Value::Nested(t) => Cow::Borrowed(t),
            Value::Bool(true) => Cow::Borrowed("true"),
            Value::Bool(false) => Cow::Borrowed("false"),
            Value::Int(i) => Cow::Owned(i.to_string()),
            Value::Float(f) => Cow::Owned(f.to_string()),
        }
    }

    /// Copies a borrowed text, so that the value no longer borrows.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Bool(b) => Value::Bool(b),
            Value::Int(i) => Value::Int(i),
            Value::Float(f) => Value::Float(f),
            Value::Text(t) => Value::Text(Cow::Owned(t.into_owned())),
            Value::Nested(t) => Value::Nested(Cow::Owned(t.into_owned())),
        }
    }

    /// The value as JSON.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(t) => t.as_ref().into(),
            Value::Nested(t) => serde_json::from_str(t).unwrap_or_else(|_| t.as_ref().into()),
        }
    }

    /// The values that a list has: its elements, and those of lists in it, without `null`. Any other value has itself.
    pub fn elements(&self) -> Vec<Value<'_>> {
        let mut all = Vec::new();
        match self {
            Value::Nested(list) => json::flatten(list, &mut all),
            scalar => all.push(scalar.borrowed()),
        }
        all
    }

    fn borrowed(&self) -> Value<'_> {
        match self {
            Value::Bool(b) => Value::Bool(*b),
            Value::Int(i) => Value::Int(*i),
            Value::Float(f) => Value::Float(*f),
            Value::Text(t) => Value::Text(Cow::Borrowed(t)),
            Value::Nested(t) => Value::Nested(Cow::Borrowed(t)),
        }
    }
}

/// Most digits of a decimal that is a number for certain: so many are the same in every system.
const DIGITS: usize = 15;

/// The number that a text means where one asks how much it is: a plain decimal, with blanks around it, a sign, and an
/// exponent, of at most 15 digits or exact in 64 bits. Codes are none: `007`, `0e12`, `1,234`, order numbers of 20 digits.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole) && digits(fraction) && !(whole.len() > 1 && whole.starts_with('0'));
    // A zero with an exponent is a code that looks like a number.
    let zero = || mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let raised = exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent) && !zero());
    if !plain || !raised || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let significant = whole.trim_start_matches('0').len() + fraction.trim_end_matches('0').len();
    if significant > DIGITS && !(exponent.is_none() && fraction.is_empty() && text.parse::<i64>().is_ok()) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_numbers_and_codes_are_none() {
        for (text, number) in [
            ("12.5", 12.5),
            (" 12.5", 12.5),
            ("+3\t", 3.0),
            ("-0.50", -0.5),
            (".5", 0.5),
            ("1.25e1", 12.5),
            ("1E-2", 0.01),
            ("0", 0.0),
            ("0.0", 0.0),
            ("123456789012345", 123_456_789_012_345.0),
            ("9223372036854775807", 9_223_372_036_854_775_807.0),
            ("1.000000000000000000", 1.0),
        ] {
            assert_eq!(parse_number(text), Some(number), "{text}");
        }
        let codes = [
            "",
            " ",
            "+",
            ".",
            "5.",
            "007",
            "00",
            "-01",
            "0e12",
            "0.0e1",
            "1,234",
            "1e",
            "e5",
            "1e5.0",
            "--1",
            "1 2",
            "0x1",
            "inf",
            "nan",
            "1e400",
            "12345678901234567890",
            "0.1234567890123456",
            "1234567890123456e1",
            "１",
        ];
        for text in codes {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
