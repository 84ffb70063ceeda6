//! Comparison of a property with a value, as Rhai compares values of any kinds.

use super::tree::Comparison;
use crate::model::value::Value;

/// Whether the comparison holds. Between values of different kinds only `!=` does; what is absent has a kind
/// of its own.
pub(super) fn holds(comparison: Comparison, value: Option<&Value<'_>>, against: &Value<'_>) -> bool {
    match (value, against) {
        (Some(Value::Int(a)), Value::Int(b)) => comparison.holds(a, b),
        (Some(Value::Bool(a)), Value::Bool(b)) => comparison.holds(a, b),
        (Some(Value::Text(a)), Value::Text(b)) => comparison.holds(a.as_ref(), b.as_ref()),
        (Some(Value::Float(a)), Value::Float(b)) => floats(comparison, *a, *b),
        (Some(Value::Float(a)), Value::Int(b)) => floats(comparison, *a, *b as f64),
        (Some(Value::Int(a)), Value::Float(b)) => floats(comparison, *a as f64, *b),
        _ => comparison == Comparison::NE,
    }
}

/// Rhai's comparison of floats: their difference relative to the larger of the two.
fn floats(comparison: Comparison, a: f64, b: f64) -> bool {
    let scale = if a * b == 0.0 { 1.0 } else { a.abs().max(b.abs()) };
    let (greater, less) = ((a - b) / scale, (b - a) / scale);
    match comparison {
        Comparison::EQ => greater.abs() <= f64::EPSILON,
        Comparison::NE => greater.abs() > f64::EPSILON,
        Comparison::GT => greater > f64::EPSILON,
        Comparison::GE => greater > -f64::EPSILON,
        Comparison::LT => less > f64::EPSILON,
        _ => less > -f64::EPSILON,
    }
}
