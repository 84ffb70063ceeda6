//! The part of a rule document that sources read: its `rule_id`.
//!
//! A document may list tens of thousands of users, and is parsed when it is prepared. So the list is left out
//! here.

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
    let document = document.strip_prefix('\u{feff}').unwrap_or(document);
    let short = user_list::without(document).and_then(|short| serde_json::from_str(&short).ok());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_users_is_no_part_of_the_id() {
        let document = |list: &str| format!(r#"{{"crowd": {{"guids": [{list}]}}, "rule_id": "a"}}"#);
        assert_eq!(
            ["1, 2", "01", "-1, 2.5"].map(|list| rule_id(&document(list)).is_ok()),
            [true, false, true]
        );
    }

    #[test]
    fn the_id_is_found_and_checked() {
        assert_eq!(rule_id(r#"{"name":"x","rule_id":"a-1_b"}"#), Ok("a-1_b".to_owned()));
        assert_eq!(
            rule_id("\u{feff}{\"rule_id\":\"a\"}"),
            Ok("a".to_owned()),
            "a byte order mark is skipped"
        );
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
