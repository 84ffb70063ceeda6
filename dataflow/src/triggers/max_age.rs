//! How old a trigger may become before it is delivered: `max_age` of its rule's action, such as `"15m"`.

use operators::document::span::Span;
use serde::Deserialize;
use serde_json::Value as Json;

/// The part of a trigger's line that matters here.
#[derive(Deserialize)]
struct Line {
    action: Json,
}

/// Longest time for which a trigger may be delivered, ms; `None` if its action sets none.
pub(super) fn max_age(line: &str) -> Option<u64> {
    // Most actions have none; to look for the name costs less than to parse.
    memchr::memmem::find(line.as_bytes(), b"\"max_age\"")?;
    let Line { action } = serde_json::from_str(line).ok()?;
    let Span(ms) = Span::parse(action.get("max_age")?.as_str()?).ok()?;
    u64::try_from(ms).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_sets_it_and_nothing_else_does() {
        assert_eq!(max_age(r#"{"key":1,"action":{"max_age":"1m30s"}}"#), Some(90_000));
        for none in [
            r#"{"action":null}"#,
            r#"{"action":{"text":"\"max_age\""}}"#,
            r#"{"values":{"max_age":"1m"},"action":{}}"#,
            r#"{"action":{"max_age":90}}"#,
            r#"{"action":{"deep":{"max_age":"1m"}}}"#,
            "{\"max_age\"",
        ] {
            assert_eq!(max_age(none), None, "{none}");
        }
    }
}
