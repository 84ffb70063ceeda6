//! Rule ids.

/// Whether a text is a rule id: `[a-z0-9][a-z0-9_-]{0,63}`. Such a text is also safe as a file name.
pub fn is_rule_id(text: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 64
        && bytes.first().is_some_and(plain)
        && bytes.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_lower_case_and_begins_with_a_letter_or_digit() {
        for id in ["a", "7", "a-1_b", &"a".repeat(64)] {
            assert!(is_rule_id(id), "{id}");
        }
        for text in ["", "-a", "_a", "A", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(!is_rule_id(text), "{text}");
        }
    }
}
