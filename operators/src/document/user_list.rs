//! The list of users in a document, which may be longer than all the rest.
//!
//! JSON is read number by number at a tenth of the speed at which digits can be read that are known to stand in
//! a list. So the list is cut out of the text and read apart, or left out, if it has the usual spelling.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::model::guid::{Guid, OwnedGuid};

/// Users listed in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserList {
    /// Those whose guids are integers.
    pub numbers: Vec<u64>,
    /// The others.
    pub texts: Vec<Box<str>>,
}

impl From<Vec<u64>> for UserList {
    fn from(numbers: Vec<u64>) -> Self {
        UserList { numbers, texts: Vec::new() }
    }
}

impl Serialize for UserList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = self.numbers.iter().copied().map(OwnedGuid::Number);
        serializer.collect_seq(numbers.chain(self.texts.iter().cloned().map(OwnedGuid::Text)))
    }
}

impl<'de> Deserialize<'de> for UserList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Listed(UserList::default()))
    }
}

impl JsonSchema for UserList {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UserList".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<OwnedGuid>::json_schema(generator)
    }
}

/// Visitor of a list of users.
struct Listed(UserList);

impl<'de> Visitor<'de> for Listed {
    type Value = UserList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of users")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<UserList, A::Error> {
        while let Some(user) = list.next_element::<serde_json::Value>()? {
            let Some(guid) = Guid::of_json(&user) else {
                return Err(A::Error::custom(format!(
                    "{user} is no user; write a guid, such as 1001 or \"u-1\""
                )));
            };
            match guid {
                Guid::Number(number) => self.0.numbers.push(number),
                Guid::Text(text) => self.0.texts.push(text.into()),
            }
        }
        Ok(self.0)
    }
}

/// The text up to the first list of `guids`, the list without its brackets, and the rest; `None` if there is none.
pub fn cut(document: &str) -> Option<[&str; 3]> {
    const KEY: &str = "\"guids\"";
    let behind_key = document.find(KEY)? + KEY.len();
    let value = document[behind_key..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')?;
    let start = document.len() - value.len();
    let (list, rest) = value.split_at(value.find(']')?);
    Some([&document[..start], list, rest])
}

/// The document with an empty list in place of the first list of `guids`; `None` if there is none, or none of
/// integers in the usual spelling. It is valid JSON exactly if the document is, also if the list lies inside a
/// string.
pub fn without(document: &str) -> Option<String> {
    let [before, list, behind] = cut(document)?;
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
    use serde_json::Value;

    use super::*;
    use crate::document::spec::Rule;

    /// Texts that are a list of integers, or nearly one.
    fn list() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            4 => "[0-9]{1,3}", 4 => Just(",".to_owned()), 2 => Just(", ".to_owned()),
            1 => "[0-9a-z \\[\\]\"\\\\{}.eE+\n-]|,|null|规|18446744073709551615|18446744073709551616"
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

        /// What is taken for a list is one; the other way round only lists in the usual spelling are.
        #[test]
        fn a_list_is_one_in_json(text in list()) {
            let parsed = serde_json::from_str::<Vec<serde_json::Number>>(&format!("[{text}]"));
            prop_assert!(!is_list(text.as_bytes()) || text.is_empty() || parsed.is_ok(), "{}", text);
        }

        /// A document without its list is JSON exactly if it is JSON with it, and has the same in the other fields.
        #[test]
        fn a_list_that_is_left_out_changes_nothing(
            list in list(), before in list(), behind in "[]}\" ,]{0,3}", key in "guids|\"",
        ) {
            let document = format!(
                "{{\"name\": \"{before}\", \"crowd\": {{\"{key}\": [{list}]}}, \"rule_id\": \"r\"{behind}}}"
            );
            if let Some(short) = without(&document) {
                let parsed = |text: &str| Some(serde_json::from_str::<Value>(text).ok()?["rule_id"].clone());
                prop_assert_eq!(parsed(&short), parsed(&document), "{}", document);
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

    #[test]
    fn lists_in_the_usual_spelling_are_left_out() {
        for list in ["1", "0", "10,0, 7", "18446744073709551616, 1", ""] {
            let document = format!("{{\"crowd\": {{\"guids\" : [{list}]}}, \"rule_id\": \"a\"}}");
            let short = "{\"crowd\": {\"guids\" : []}, \"rule_id\": \"a\"}";
            assert_eq!(without(&document).as_deref(), Some(short), "{list}");
        }
        for list in
            ["1,", ",1", "1,,2", "1 ,2", "1,  2", "01", "1, 02", "-1", "1.5", "1 2", "[1]", " 1", "1 "]
        {
            let document = format!("{{\"crowd\": {{\"guids\": [{list}]}}, \"rule_id\": \"a\"}}");
            assert_eq!(without(&document), None, "{list}");
        }
    }
}
