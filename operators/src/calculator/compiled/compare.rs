//! Comparison of values of any kinds, as Rhai compares them.

use super::{held::View, tree::Comparison};

/// Whether the comparison holds. Between values of different kinds only `!=` does, but for integers with
/// floats, and characters with texts. `()` equals itself and has no order.
pub(super) fn holds(comparison: Comparison, a: View<'_>, b: View<'_>) -> bool {
    match (a, b) {
        (View::Int(a), View::Int(b)) => comparison.holds(a, b),
        (View::Bool(a), View::Bool(b)) => comparison.holds(a, b),
        (View::Text(a), View::Text(b)) => comparison.holds(a, b),
        (View::Char(a), View::Char(b)) => comparison.holds(a, b),
        (View::Float(a), View::Float(b)) => floats(comparison, a, b),
        (View::Float(a), View::Int(b)) => floats(comparison, a, b as f64),
        (View::Int(a), View::Float(b)) => floats(comparison, a as f64, b),
        (View::Text(a), View::Char(b)) => comparison.holds(start(a), [Some(b), None]),
        (View::Char(a), View::Text(b)) => comparison.holds([Some(a), None], start(b)),
        (View::Unit, View::Unit) => comparison == Comparison::EQ,
        _ => comparison == Comparison::NE,
    }
}

/// The first two characters, which are all that a comparison with a character looks at.
fn start(text: &str) -> [Option<char>; 2] {
    let mut characters = text.chars();
    [characters.next(), characters.next()]
}

/// Rhai's comparison of floats: their difference relative to the larger of the two. 0 equals what is no
/// number.
pub(super) fn floats(comparison: Comparison, a: f64, b: f64) -> bool {
    let scale = if a * b == 0.0 { 1.0 } else { a.abs().max(b.abs()) };
    if scale == 0.0 {
        return comparison.holds(0, 0);
    }
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
