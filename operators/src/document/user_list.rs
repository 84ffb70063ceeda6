//! The list of users in the text of a document, which may be longer than all the rest.
//!
//! JSON is read number by number at a tenth of the speed at which digits can be read that are known to stand in
//! a list. So the list is cut out of the text and read apart, if it has the usual spelling.

/// The text up to the first list of `guids`, the list without its brackets, and the rest; `None` if there is none.
pub fn cut(document: &str) -> Option<[&str; 3]> {
    const KEY: &str = "\"guids\"";
    let behind_key = document.find(KEY)? + KEY.len();
    let value = document[behind_key..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')?;
    let start = document.len() - value.len();
    let (list, rest) = value.split_at(value.find(']')?);
    Some([&document[..start], list, rest])
}

/// Most digits of a number that fits whatever they are.
const DIGITS: usize = 19;

/// Reads integers without a sign, with a comma or a comma and a space between two; `None` if the list is not
/// written so, or has a number of more than 19 digits.
pub(super) fn read(list: &str) -> Option<Vec<u64>> {
    // Most are shorter than that, and what is left over goes back when the bitmap is made.
    let mut guids = Vec::with_capacity(list.len() / 4);
    let mut rest = list.as_bytes();
    loop {
        let (mut number, mut digits) = (0u64, 0);
        while let Some(digit) =
            rest.get(digits).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            digits += 1;
        }
        if digits == 0 || digits > DIGITS || digits > 1 && rest[0] == b'0' {
            return None;
        }
        guids.push(number);
        rest = match &rest[digits..] {
            [] => return Some(guids),
            [b',', b' ', next @ ..] | [b',', next @ ..] => next,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::spec::Rule;

    /// Texts that are a list of integers, or nearly one.
    fn list() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[0-9]{1,3}", 4 => Just(",".to_owned()), 2 => Just(", ".to_owned()),
            1 => "[0-9a-z \\[\\]\"\\\\{}.eE+\n-]|,|null|18446744073709551615|18446744073709551616"
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// What is read is what JSON has; the other way round only lists in the usual spelling are read.
        #[test]
        fn a_list_is_read_as_in_json(text in list()) {
            if let Some(guids) = read(&text) {
                prop_assert_eq!(serde_json::from_str::<Vec<u64>>(&format!("[{text}]")).ok(), Some(guids));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// A document with a long list, wherever it stands, is the rule that it is if it is parsed as a whole.
        #[test]
        fn a_list_that_is_read_apart_changes_nothing(
            numbers in prop::collection::vec(any::<u16>(), 60..90),
            end in prop_oneof![3 => Just(""), 1 => Just(", 18446744073709551615"), 1 => Just(", -1"), 1 => Just(",")],
            crowd in prop::sample::select(vec!["LIST", "", "1"]),
            params in prop::sample::select(vec!["", "\"guids\": [LIST]", "\"a\\\"guids\": [LIST]", "\"t\": \"\\\"guids\\\": [LIST]\""]),
        ) {
            let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
            let document = format!(
                r#"{{"rule_id": "r", "trigger": "satisfied", "conditions": [{{"id": "c", "calculator": "count",
                    "params": {{{params}}}, "event": {{"id": "A"}}}}], "crowd": {{"guids": [{crowd}]}}}}"#
            );
            let document = document.replace("LIST", &format!("{}{end}", numbers.join(", ")));
            prop_assert_eq!(Rule::parse(&document).ok(), serde_json::from_str::<Rule>(&document).ok());
        }
    }

    #[test]
    fn lists_in_the_usual_spelling_are_read() {
        assert_eq!(read("10,0, 9999999999999999999"), Some(vec![10, 0, 9_999_999_999_999_999_999]));
        for other in ["", "1,", "01", "1,  2", "1.5", "-1", "18446744073709551615", "1 ,2"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
