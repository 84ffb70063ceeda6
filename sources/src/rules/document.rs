//! The part of a rule document that sources read: its `rule_id`.
//!
//! A document may list tens of thousands of users, and is parsed when it is prepared. So the list is not parsed
//! here too, if a look at its bytes shows that it is one of integers.

use operators::document::{rule_id::is_rule_id, user_list};
use serde::Deserialize;

#[derive(Deserialize)]
struct Head {
    rule_id: String,
}

/// The reason why a file or a row holds no usable document, with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(pub(super) String);

/// Reads the document's `rule_id`.
pub(super) fn rule_id(document: &str) -> Result<String, Unreadable> {
    let short = without_list(document).and_then(|short| serde_json::from_str(&short).ok());
    let head: Head = short.map_or_else(|| serde_json::from_str(document), Ok).map_err(|error| {
        Unreadable(format!("{error}; write one JSON object with `rule_id` and `trigger`"))
    })?;
    if is_rule_id(&head.rule_id) {
        Ok(head.rule_id)
    } else {
        Err(Unreadable(format!(
            "`rule_id` is {:?}; write 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit",
            head.rule_id
        )))
    }
}

/// The document with an empty list in place of the first list of `guids`; `None` if there is none, or none of
/// integers. It is valid JSON exactly if the document is, also if the list lies inside a string.
fn without_list(document: &str) -> Option<String> {
    let [before, list, behind] = user_list::cut(document)?;
    is_list(list.as_bytes()).then(|| [before, behind].concat())
}

/// Whether these are integers without a sign, with a comma or a comma and a space between two. Lists written
/// otherwise are none. Without branches, so that it takes a fraction of the time of parsing.
fn is_list(list: &[u8]) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit();
    let [first, .., last] = list else { return list.iter().all(u8::is_ascii_digit) };
    // In JSON no integer begins with a zero but zero itself.
    let zero_first = list.starts_with(b"0") && digit(list[1]);
    let wrong = |before: u8, byte: u8, after: u8| {
        let known = digit(byte) | (byte == b',') | (byte == b' ');
        let zeros = !digit(before) & (byte == b'0') & digit(after);
        let comma = (byte == b',') & (!digit(before) | (after != b' ') & !digit(after));
        let space = (byte == b' ') & ((before != b',') | !digit(after));
        !known | zeros | comma | space
    };
    let inner = list.iter().zip(&list[1..]).zip(&list[2..]);
    let wrong = inner.fold(false, |any, ((before, byte), after)| any | wrong(*before, *byte, *after));
    digit(*first) && digit(*last) && !zero_first && !wrong
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts that are a list of integers, or nearly one.
    fn list() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[0-9]{1,3}", 4 => Just(",".to_owned()), 2 => Just(", ".to_owned()),
            1 => "[0-9a-z \\[\\]\"\\\\{}.eE+\n-]|,|null|规"
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// What is taken for a list is one; the other way round only lists in the usual spelling are.
        #[test]
        fn a_list_is_one_in_json(text in list()) {
            let parsed = serde_json::from_str::<Vec<serde_json::Number>>(&format!("[{text}]"));
            prop_assert!(!is_list(text.as_bytes()) || text.is_empty() || parsed.is_ok(), "{}", text);
        }

        /// The id is found, and the document refused, exactly as if it were parsed whole.
        #[test]
        fn a_list_that_is_left_out_changes_nothing(list in list(), before in list(), behind in "[]}\" ,]{0,3}", key in "guids|\"") {
            let document = format!(
                "{{\"name\": \"{before}\", \"crowd\": {{\"{key}\": [{list}]}}, \"rule_id\": \"r\"{behind}}}"
            );
            let whole = serde_json::from_str::<Head>(&document).map(|head| head.rule_id);
            let found = rule_id(&document);
            prop_assert_eq!(found.is_ok(), whole.is_ok(), "{}", document);
            if let (Err(Unreadable(reason)), Err(error)) = (found, whole) {
                prop_assert!(reason.starts_with(&error.to_string()), "{}", reason);
            }
        }
    }

    #[test]
    fn lists_in_the_usual_spelling_are_left_out() {
        for list in ["1", "0", "10,0, 7", "18446744073709551616, 1", ""] {
            let document = format!("{{\"crowd\": {{\"guids\" : [{list}]}}, \"rule_id\": \"a\"}}");
            let short = "{\"crowd\": {\"guids\" : []}, \"rule_id\": \"a\"}";
            assert_eq!(without_list(&document).as_deref(), Some(short), "{list}");
        }
        for list in
            ["1,", ",1", "1,,2", "1 ,2", "1,  2", "01", "1, 02", "-1", "1.5", "1 2", "[1]", " 1", "1 "]
        {
            let document = format!("{{\"crowd\": {{\"guids\": [{list}]}}, \"rule_id\": \"a\"}}");
            assert_eq!(without_list(&document), None, "{list}");
        }
    }

    #[test]
    fn the_id_is_found_and_checked() {
        assert_eq!(rule_id(r#"{"name":"x","rule_id":"a-1_b"}"#), Ok("a-1_b".to_owned()));
        for document in [
            "",
            "[]",
            "{}",
            r#"{"rule_id":1}"#,
            r#"{"rule_id":"a"} x"#,
            r#"{"rule_id":"../x"}"#,
            r#"{"rule_id":""}"#,
        ] {
            assert!(rule_id(document).is_err_and(|reason| reason.0.contains("write ")), "{document}");
        }
    }
}
