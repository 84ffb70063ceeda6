//! Native functions of values of any kinds.

use super::{
    dynamic::{MAX_TEXT, not_found},
    fault::Fault,
    held::{Held, View},
    kind::{Kind, Kinds},
};
use crate::{document::span::Span, model::value::parse_number};

/// A native function of scripts, but for those of numbers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    ToInt,
    ToFloat,
    ToText,
    IsNumber,
    Milliseconds,
    Length,
    Contains,
    StartsWith,
    EndsWith,
    /// The operator `!`.
    Not,
}

impl Function {
    /// The function that scripts call by a name with a number of arguments.
    pub(super) fn named(name: &str, arguments: usize) -> Option<Function> {
        Some(match (name, arguments) {
            ("to_int", 1) => Function::ToInt,
            ("to_float", 1) => Function::ToFloat,
            ("to_string", 1) => Function::ToText,
            ("is_number", 1) => Function::IsNumber,
            ("ms", 1) => Function::Milliseconds,
            ("len", 1) => Function::Length,
            ("contains", 2) => Function::Contains,
            ("starts_with", 2) => Function::StartsWith,
            ("ends_with", 2) => Function::EndsWith,
            _ => return None,
        })
    }

    /// Its name in scripts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::ToInt => "to_int",
            Function::ToFloat => "to_float",
            Function::ToText => "to_string",
            Function::IsNumber => "is_number",
            Function::Milliseconds => "ms",
            Function::Length => "len",
            Function::Contains => "contains",
            Function::StartsWith => "starts_with",
            Function::EndsWith => "ends_with",
            Function::Not => "!",
        }
    }

    /// Whether it has a single argument; the second one is then of no meaning.
    pub(super) fn is_unary(self) -> bool {
        !matches!(self, Function::Contains | Function::StartsWith | Function::EndsWith)
    }

    /// Kind of the result for arguments of two kinds; `None` if it takes no such arguments.
    fn kind(self, a: Kind, b: Kind) -> Option<Kind> {
        let (takes, kind) = match self {
            Function::ToInt => (a.is_number() || a == Kind::Text, Kind::Int),
            Function::ToFloat => (a.is_number() || a == Kind::Text, Kind::Float),
            Function::ToText => (a.is_number() || a == Kind::Text, Kind::Text),
            Function::IsNumber => (true, Kind::Bool),
            Function::Milliseconds | Function::Length => (a == Kind::Text, Kind::Int),
            Function::Contains | Function::StartsWith | Function::EndsWith => {
                (a == Kind::Text && b == Kind::Text, Kind::Bool)
            }
            Function::Not => (a == Kind::Bool, Kind::Bool),
        };
        takes.then_some(kind)
    }

    /// Kinds that results can have; none if it fails for all arguments of these kinds.
    pub(super) fn kinds(self, a: Kinds, b: Kinds) -> Kinds {
        if self.is_unary() {
            return a.iter().filter_map(|a| self.kind(a, a)).collect();
        }
        a.iter().flat_map(|a| b.iter().filter_map(move |b| self.kind(a, b))).collect()
    }

    /// Whether some arguments of these kinds have no result.
    pub(super) fn can_fail(self, a: Kinds, b: Kinds) -> bool {
        let fails = |a: Kind, b: Kind| match self {
            Function::ToInt => a != Kind::Int,
            Function::ToFloat => !a.is_number(),
            Function::Milliseconds => true,
            // A property can be longer than a text may be.
            Function::ToText | Function::Length => a == Kind::Text || self.kind(a, b).is_none(),
            Function::Contains | Function::StartsWith | Function::EndsWith => true,
            Function::IsNumber => false,
            Function::Not => a != Kind::Bool,
        };
        a.iter().any(|a| if self.is_unary() { fails(a, a) } else { b.iter().any(|b| fails(a, b)) })
    }

    /// Calls the function. `lent` is whether the first argument is a variable or an entry of a map, whose
    /// length Rhai checks after the call.
    ///
    /// # Errors
    /// If it takes no arguments of these kinds, or they have no result.
    pub(super) fn call(self, a: View<'_>, b: View<'_>, lent: bool) -> Result<Held<'static>, Fault> {
        let made = self.value(a, b)?;
        let long = |view: View<'_>| matches!(view, View::Text(text) if text.len() > MAX_TEXT);
        let kept = lent && self != Function::IsNumber;
        if long(made.view()) || kept && long(a) { Err(Fault::TooLong) } else { Ok(made) }
    }

    fn value(self, a: View<'_>, b: View<'_>) -> Result<Held<'static>, Fault> {
        Ok(match (self, a, b) {
            (Function::ToInt, View::Int(i), _) => Held::Int(i),
            (Function::ToInt, View::Float(f), _) => Held::Int(to_int(f)?),
            (Function::ToInt, View::Text(text), _) => {
                Held::Int(text.parse().map_err(|_| failed("to_int: the text is not a whole number"))?)
            }
            (Function::ToFloat, View::Int(i), _) => Held::Float(i as f64),
            (Function::ToFloat, View::Float(f), _) => Held::Float(f),
            (Function::ToFloat, View::Text(text), _) => {
                Held::Float(parse_number(text).ok_or_else(|| failed("to_float: the text is not a number"))?)
            }
            (Function::ToText, View::Int(_) | View::Float(_) | View::Text(_), _) => {
                a.written().into_owned().into()
            }
            (Function::IsNumber, a, _) => Held::Bool(is_number(a)),
            (Function::Milliseconds, View::Text(text), _) => {
                Held::Int(Span::parse(text).map_err(|reason| failed(&reason))?.0)
            }
            (Function::Length, View::Text(text), _) => Held::Int(text.chars().count() as i64),
            (Function::Contains, View::Text(a), View::Text(b)) => Held::Bool(a.contains(b)),
            (Function::StartsWith, View::Text(a), View::Text(b)) => Held::Bool(a.starts_with(b)),
            (Function::EndsWith, View::Text(a), View::Text(b)) => Held::Bool(a.ends_with(b)),
            (Function::Not, View::Bool(truth), _) => Held::Bool(!truth),
            _ => return Err(self.missing(a.kind(), b.kind())),
        })
    }

    #[cold]
    fn missing(self, a: Kind, b: Kind) -> Fault {
        let kinds = [a, b];
        not_found(self.name(), if self.is_unary() { &kinds[..1] } else { &kinds })
    }
}

fn is_number(value: View<'_>) -> bool {
    match value {
        View::Int(_) | View::Float(_) => true,
        View::Text(text) => parse_number(text).is_some(),
        View::Unit | View::Bool(_) | View::Char(_) => false,
    }
}

/// The whole part of a float.
///
/// # Errors
/// If it is too large.
pub(super) fn to_int(float: f64) -> Result<i64, Fault> {
    if float.abs() < 9.2e18 { Ok(float as i64) } else { Err(failed("to_int: the number is too large")) }
}

#[cold]
fn failed(reason: &str) -> Fault {
    Fault::Message(format!("Runtime error: {reason}"))
}
