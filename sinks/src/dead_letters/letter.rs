//! One dead letter and its line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::trigger::Trigger;

/// A trigger that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Time at which it was given up, unix milliseconds.
    pub at: u64,
    /// Address of the receiver, without user, password and query; of a topic, `kafka://BROKERS/TOPIC`.
    pub url: String,
    /// Number of attempts.
    pub attempts: u32,
    /// Reason why the last attempt failed.
    pub last_error: String,
    /// The trigger.
    pub trigger: Trigger,
}

/// The stored form of a letter.
#[derive(Serialize, Deserialize)]
struct Line {
    at: u64,
    url: String,
    attempts: u32,
    last_error: String,
    id: String,
    key: String,
    trigger: Box<RawValue>,
}

impl DeadLetter {
    /// Letter of a trigger that became too old before its receiver took it.
    pub(crate) fn expired(trigger: &Trigger, receiver: &str, at: u64, attempts: u32) -> Self {
        let last_error = "it became older than the max_age of its action".to_owned();
        DeadLetter { at, url: receiver.to_owned(), attempts, last_error, trigger: trigger.clone() }
    }

    /// Serializes the letter as one line, without a line break.
    pub(super) fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Line {
            at: self.at,
            url: self.url.clone(),
            attempts: self.attempts,
            last_error: self.last_error.clone(),
            id: self.trigger.id.clone(),
            key: self.trigger.key.clone(),
            trigger: document(&self.trigger.line)?,
        })
    }

    /// Parses a line; `None` if it is no letter.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let line: Line = serde_json::from_slice(line).ok()?;
        let trigger = line.trigger.get();
        let text =
            if trigger.starts_with('"') { serde_json::from_str(trigger).ok()? } else { trigger.to_owned() };
        Some(DeadLetter {
            at: line.at,
            url: line.url,
            attempts: line.attempts,
            last_error: line.last_error,
            trigger: Trigger { id: line.id, key: line.key, line: text, ..Trigger::default() },
        })
    }
}

/// A one-line object unchanged; anything else as a string, so that parsing returns the very same text.
fn document(line: &str) -> Result<Box<RawValue>, serde_json::Error> {
    if line.starts_with('{')
        && line.ends_with('}')
        && !line.contains(['\n', '\r'])
        && let Ok(raw) = RawValue::from_string(line.to_owned())
    {
        return Ok(raw);
    }
    RawValue::from_string(serde_json::to_string(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(line: &str) -> DeadLetter {
        DeadLetter {
            at: 1_766_000_000_123,
            url: "http://127.0.0.1/hook".to_owned(),
            attempts: 8,
            last_error: "the receiver answered 500: \"no\"\n".to_owned(),
            trigger: Trigger {
                id: "t-1".to_owned(),
                key: "1001".to_owned(),
                line: line.to_owned(),
                ..Trigger::default()
            },
        }
    }

    #[test]
    fn a_trigger_stands_in_its_letter_as_it_is() {
        let line = letter("{\"guid\":  1001, \"n\": 1.10}").line().unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"at":1766000000123,"url":"http://127.0.0.1/hook","attempts":8,"#,
                r#""last_error":"the receiver answered 500: \"no\"\n","id":"t-1","key":"1001","#,
                r#""trigger":{"guid":  1001, "n": 1.10}}"#
            )
        );
    }

    #[test]
    fn any_text_comes_back_byte_for_byte_and_on_one_line() {
        for text in
            ["{}", "{\"重庆\": 1e400}", "", "no JSON", "\"text\"", "{\n}", " {}", "{\"a\":", "[1]", "7"]
        {
            let line = letter(text).line().unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(DeadLetter::parse(line.as_bytes()), Some(letter(text)), "{line}");
        }
    }

    #[test]
    fn what_is_no_letter_is_none() {
        let whole = letter("{\"a\":1}").line().unwrap();
        for cut in 0..whole.len() {
            assert_eq!(DeadLetter::parse(&whole.as_bytes()[..cut]), None, "{cut}");
        }
        assert_eq!(DeadLetter::parse(b"\xff{}"), None);
    }
}
