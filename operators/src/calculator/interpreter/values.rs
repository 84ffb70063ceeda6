//! Values and errors of native functions.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::model::value::{Value, parse_number};

/// Error: an aggregate can't fold the value, such as a text where a number is needed. The call has no effect
/// and the event is counted as not folded; it does not count as an error of the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotFolded(pub(super) String);

/// Result of a native function.
pub(super) type Native<T> = Result<T, Box<EvalAltResult>>;

/// Fails a native function with this message.
pub(super) fn fails<T>(message: impl Into<String>) -> Native<T> {
    Err(message.into().into())
}

/// Fails a native function with [`NotFolded`].
pub(super) fn not_folded<T>(value: &Dynamic) -> Native<T> {
    let reason = NotFolded(format!("`{value}` is {}, not a number", value.type_name()));
    Err(Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(reason), Position::NONE)))
}

/// A number, or the number that a text spells.
pub(super) fn number(value: &Dynamic) -> Native<f64> {
    if let Ok(i) = value.as_int() {
        return Ok(i as f64);
    }
    if let Ok(f) = value.as_float() {
        return Ok(f);
    }
    value.as_immutable_string_ref().ok().and_then(|t| parse_number(&t)).map_or_else(|| not_folded(value), Ok)
}

/// Converts a value for a script.
pub(in crate::calculator) fn from_value(value: &Value<'_>) -> Dynamic {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Float(f) => (*f).into(),
        Value::Text(t) => t.as_ref().into(),
        Value::Nested(_) => Dynamic::UNIT,
    }
}

/// Converts a scalar of a script; `None` for anything else.
pub(in crate::calculator) fn to_value(value: &Dynamic) -> Option<Value<'static>> {
    if let Ok(i) = value.as_int() {
        return Some(Value::Int(i));
    }
    if let Ok(f) = value.as_float() {
        return Some(Value::Float(f));
    }
    if let Ok(b) = value.as_bool() {
        return Some(Value::Bool(b));
    }
    value.as_immutable_string_ref().ok().map(|t| Value::Text(t.to_string().into()))
}
