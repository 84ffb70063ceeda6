//! Operators on values of any kinds.

use super::{
    fault::Fault,
    held::{Held, View},
    kind::Kind,
    math::Math,
};

/// Most bytes of a text that an operator or a function makes.
pub(super) const MAX_TEXT: usize = 1_024;

/// Applies an operator or a function of numbers. `assigned` is whether its result replaces the first operand,
/// as `+=` does.
///
/// # Errors
/// If it takes no operands of these kinds, or they have no result.
pub(super) fn apply(math: Math, a: View<'_>, b: View<'_>, assigned: bool) -> Result<Held<'static>, Fault> {
    let float = |a, b| math.on_floats(a, b).map(Held::Float);
    let made = match (a, b) {
        _ if math.kind(a.kind(), b.kind()).is_none() => None,
        (View::Int(a), View::Int(b)) => {
            return math.apply(a, b).map(Held::Int).ok_or(Fault::Math(math, a, b));
        }
        (View::Int(a), _) if math.is_unary() => {
            return math.apply(a, 0).map(Held::Int).ok_or(Fault::Math(math, a, 0));
        }
        (View::Float(a), _) if math.is_unary() => float(a, a),
        (View::Float(a), View::Float(b)) => float(a, b),
        (View::Float(a), View::Int(b)) => float(a, b as f64),
        (View::Int(a), View::Float(b)) => float(a as f64, b),
        (View::Bool(a), View::Bool(b)) => truths(math, a, b),
        (View::Unit, View::Text(text)) | (View::Text(text), View::Unit) => return joined(text, "", assigned),
        (View::Text(a), View::Text(b)) if math == Math::Add => return texts(a, b, assigned),
        (View::Char(a), View::Text("")) if assigned => Some(Held::Char(a)),
        (View::Text(_) | View::Char(_), View::Text(_) | View::Char(_)) if math == Math::Add => {
            return joined(&a.written(), &b.written(), true);
        }
        (View::Text(a), View::Text(b)) => Some(without(a, b)),
        (View::Text(a), View::Char(b)) => Some(a.replace(b, "").into()),
        _ => None,
    };
    made.ok_or_else(|| missing(math, a.kind(), b.kind()))
}

fn truths(math: Math, a: bool, b: bool) -> Option<Held<'static>> {
    match math {
        Math::And => Some(Held::Bool(a & b)),
        Math::Or => Some(Held::Bool(a | b)),
        Math::Xor => Some(Held::Bool(a ^ b)),
        _ => None,
    }
}

/// Two texts behind each other. An assignment to or of an empty one looks at no length.
fn texts(a: &str, b: &str, assigned: bool) -> Result<Held<'static>, Fault> {
    joined(a, b, !assigned || !a.is_empty() && !b.is_empty())
}

fn joined(a: &str, b: &str, limited: bool) -> Result<Held<'static>, Fault> {
    if limited && a.len() + b.len() > MAX_TEXT {
        return Err(Fault::TooLong);
    }
    Ok([a, b].concat().into())
}

/// The first text without the second; Rhai takes nothing from an empty text, but gives the other one.
fn without(a: &str, b: &str) -> Held<'static> {
    match (a, b) {
        (a, "") => a.to_owned().into(),
        ("", b) => b.to_owned().into(),
        (a, b) => a.replace(b, "").into(),
    }
}

/// Failure of an operator that takes no operands of these kinds.
#[cold]
pub(super) fn missing(math: Math, a: Kind, b: Kind) -> Fault {
    let kinds = [a, b];
    not_found(math.name(), if math.is_unary() { &kinds[..1] } else { &kinds })
}

/// Failure of a function that takes no arguments of these kinds.
#[cold]
pub(super) fn not_found(name: &str, kinds: &[Kind]) -> Fault {
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.parameter()).collect();
    Fault::Message(format!("Function not found: {name} ({})", kinds.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Held, View, apply, missing};
    use crate::calculator::compiled::{kind::Kind, math::Math};

    const KINDS: [View<'_>; 6] =
        [View::Unit, View::Bool(true), View::Int(3), View::Float(1.5), View::Char('x'), View::Text("axa")];

    /// Operands have a result exactly if the kinds say so, and it is of that kind.
    #[test]
    fn results_are_of_the_kinds_that_are_told() {
        let all = [Math::Add, Math::Subtract, Math::Power, Math::And, Math::Min, Math::Abs, Math::Floor];
        for math in all {
            for (a, b) in KINDS.into_iter().flat_map(|a| KINDS.map(|b| (a, b))) {
                match (math.kind(a.kind(), b.kind()), apply(math, a, b, false)) {
                    (Some(kind), Ok(held)) => assert_eq!(kind, held.kind(), "{math:?} {a:?} {b:?}"),
                    (None, Err(fault)) => assert_eq!(fault, missing(math, a.kind(), b.kind())),
                    (kind, made) => panic!("{math:?} {a:?} {b:?}: {kind:?}, {made:?}"),
                }
            }
        }
    }

    #[test]
    fn an_assignment_of_an_empty_text_keeps_a_character() {
        assert_eq!(apply(Math::Add, View::Char('x'), View::Text(""), true), Ok(Held::Char('x')));
        assert_eq!(
            apply(Math::Add, View::Char('x'), View::Text(""), false).map(|x| x.kind()),
            Ok(Kind::Text)
        );
    }
}
