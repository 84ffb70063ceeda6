//! JSON written straight into a text, byte for byte as `serde_json` writes it.

use super::value::Value;

/// Appends an integer.
pub fn integer(i: impl itoa::Integer, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(i));
}

/// Appends a float; `null` if it is not finite.
pub fn float(f: f64, out: &mut String) {
    if f.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(f));
    } else {
        out.push_str("null");
    }
}

/// Appends a boolean.
pub fn boolean(b: bool, out: &mut String) {
    out.push_str(if b { "true" } else { "false" });
}

/// Appends a string, in quotes.
pub fn string(plain: &str, out: &mut String) {
    out.push('"');
    escaped(plain, out);
    out.push('"');
}

/// Appends the content of a string, escaped, without quotes.
pub fn escaped(plain: &str, out: &mut String) {
    let mut start = 0;
    if plain.bytes().any(is_special) {
        for (at, byte) in plain.bytes().enumerate().filter(|(_, byte)| is_special(*byte)) {
            out.push_str(&plain[start..at]);
            escape(byte, out);
            start = at + 1;
        }
    }
    out.push_str(&plain[start..]);
}

/// Appends a value.
pub fn value(value: &Value<'_>, out: &mut String) {
    match value {
        Value::Bool(b) => boolean(*b, out),
        Value::Int(i) => integer(*i, out),
        Value::Float(f) => float(*f, out),
        Value::Text(text) => string(text, out),
        Value::Nested(json) => out.push_str(json),
    }
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(byte: u8, out: &mut String) {
    let short = match byte {
        b'"' | b'\\' => char::from(byte),
        0x08 => 'b',
        0x09 => 't',
        0x0a => 'n',
        0x0c => 'f',
        0x0d => 'r',
        _ => {
            out.push_str("\\u00");
            out.extend(hex(byte).map(char::from));
            return;
        }
    };
    out.push('\\');
    out.push(short);
}

/// Hexadecimal digits of a byte, in lower case.
pub fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &Value<'_>) -> String {
        let mut out = String::new();
        super::value(value, &mut out);
        out
    }

    #[test]
    fn every_character_is_escaped_as_serde_does() {
        let all: String = (0..=0x2030).filter_map(char::from_u32).chain("🏠".chars()).collect();
        let value = Value::Text(all.into());
        assert_eq!(written(&value), value.json().to_string());
    }

    proptest! {
        #[test]
        fn values_are_written_as_serde_does(
            text in "[\\x00-\\x22\\\\a-é🏠\u{2028}]{0,12}", int: i64, float: f64, edge in prop::sample::select(vec![
                0.0, -0.0, 10.0, 1e15, 1e16, 1e300, 5e-324, f64::NAN, f64::INFINITY,
            ]),
        ) {
            for value in [Value::Text(text.into()), Value::Int(int), Value::Float(float), Value::Float(edge), Value::Bool(true)] {
                prop_assert_eq!(written(&value), value.json().to_string());
            }
        }
    }
}
