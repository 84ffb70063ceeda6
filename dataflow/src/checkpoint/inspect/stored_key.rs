//! Keys as people write them, converted to their stored form.

use operators::{
    model::{
        field::Field,
        guid::{Guid, MOST_BYTES},
    },
    rule::plan::RulePlan,
};
use serde_json::Value as Json;

use super::InspectError;

/// Stored form of a key, from the form that triggers show.
pub(super) fn stored_key(plan: &RulePlan, key: &str) -> Result<String, InspectError> {
    let fields = &plan.key.fields;
    let wrong = |reason: String| InspectError::Key {
        rule_id: plan.id().to_owned(),
        key: key.to_owned(),
        reason: format!("{reason}, as its key_by is {}", plan.key_text()),
    };
    let guid = |json: &Json| Guid::of_json(json).map(Guid::json);
    match &fields[..] {
        [Field::GUID] => match guid(&key.into()) {
            Some(Json::String(guid)) => Ok(guid),
            Some(number) => Ok(number.to_string()),
            None => Err(wrong(format!("write a guid, such as 1001 or u-1, of at most {MOST_BYTES} bytes"))),
        },
        [_] => Ok(key.to_owned()),
        several => {
            let form = || wrong(format!("write a JSON array of {} values", several.len()));
            let values: Vec<Json> = serde_json::from_str(key).map_err(|_| form())?;
            if values.len() != several.len() {
                return Err(form());
            }
            let stored = |(field, value): (&Field, Json)| match value {
                user if *field == Field::GUID => guid(&user),
                Json::String(text) => Some(Json::String(text)),
                other => Some(Json::String(other.to_string())),
            };
            let values: Option<Vec<Json>> = several.iter().zip(values).map(stored).collect();
            values.map(|values| Json::Array(values).to_string()).ok_or_else(form)
        }
    }
}
