//! Templates of an action, filled from the cause event.

use serde_json::Value as Json;

use super::event::Event;

/// The action with every `{{name}}` in its strings replaced by the event's value; by nothing if the event has
/// none or there is no event.
pub(crate) fn fill(action: &Json, cause: Option<&Event>) -> Json {
    match action {
        Json::String(text) => Json::from(fill_text(text, cause)),
        Json::Array(list) => list.iter().map(|one| fill(one, cause)).collect(),
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(name, one)| (name.clone(), fill(one, cause))).collect())
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, cause: Option<&Event>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        filled.push_str(before);
        if let Some(value) = cause.and_then(|event| event.get(name.trim())) {
            filled.push_str(&value.to_text());
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}
