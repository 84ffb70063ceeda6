//! Compilation of a filter's document to predicates. What has no meaning is refused with its path and a
//! remedy.

use std::{cmp::Ordering, sync::Arc};

use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;

use super::{
    Conjunct, Filter,
    compare::Literal,
    elements::AnyElement,
    predicate::{OneOf, Order, Predicate, TextPosition},
    read::Read,
};
use crate::{
    document::{
        fault::Fault,
        spec::{self, Comparison, EventIds, Op},
    },
    expression::Expression,
    model::{
        field::{Field, Fields},
        number::Number,
        text::composed,
        value::Value,
    },
};

/// Deepest nesting of `any`, `all` and `not`.
pub(super) const MAX_DEPTH: usize = 16;

type Compiled = Result<Predicate, Fault>;

pub(super) fn fault(path: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { path: path.into(), message: message.into() }
}

/// The event id that stands for every event.
pub(super) const EVERY_EVENT: &str = "*";

/// Positions of the names that predicates read.
type Names<'n> = dyn FnMut(&str) -> Field + 'n;

/// Compiles a filter; properties that it reads are added to `fields`.
pub(super) fn filter(spec: &spec::Filter, fields: &mut Fields) -> Result<Filter, Fault> {
    let mut ids: Vec<Box<str>> = Vec::new();
    for (i, id) in spec.id.ids().iter().enumerate() {
        if id.is_empty() {
            let path = if matches!(spec.id, EventIds::One(_)) { "id".to_owned() } else { format!("id[{i}]") };
            return Err(fault(path, "an event id is not empty; write one, such as \"search\""));
        }
        ids.push(id.as_str().into());
    }
    if ids.is_empty() {
        return Err(fault("id", "the list of event ids is empty; write at least one"));
    }
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > 1 && ids.iter().any(|id| **id == *EVERY_EVENT) {
        return Err(fault("id", "\"*\" is every event; write \"*\" alone, or the other ids without it"));
    }
    let mut conjuncts = Vec::new();
    for (i, part) in spec.predicates.iter().enumerate() {
        let predicate = predicate(part, &format!("where[{i}]"), 0, &mut |name| fields.intern(name))?;
        let spelling =
            serde_json::to_string(part).map_err(|e| fault(format!("where[{i}]"), e.to_string()))?;
        conjuncts.push(Conjunct { predicate: Arc::new(predicate), spelling: spelling.into() });
    }
    Ok(Filter { ids: ids.into(), conjuncts: conjuncts.into() })
}

fn predicate(spec: &spec::Predicate, path: &str, depth: usize, names: &mut Names<'_>) -> Compiled {
    if depth > MAX_DEPTH {
        return Err(fault(
            path,
            format!("`any`, `all`, `not` and `any_of` nest deeper than {MAX_DEPTH}; write it flatter"),
        ));
    }
    let mut parts = |parts: &[spec::Predicate], name: &str| -> Result<Vec<Predicate>, Fault> {
        let each = parts.iter().enumerate();
        each.map(|(i, part)| predicate(part, &format!("{path}.{name}[{i}]"), depth + 1, names))
            .collect::<Result<_, _>>()
    };
    match spec {
        spec::Predicate::All(list) => parts(list, "all").map(Predicate::All),
        spec::Predicate::Any(list) => parts(list, "any").map(Predicate::Any),
        spec::Predicate::Not(part) => {
            Ok(Predicate::Not(Box::new(predicate(part, &format!("{path}.not"), depth + 1, names)?)))
        }
        spec::Predicate::AnyOf { list, parts } => {
            if list.is_empty() {
                let message = "the list has no name; write one, such as \"products\"";
                return Err(fault(format!("{path}.any_of"), message));
            }
            let (field, mut members) = (names(list), Fields::default());
            let part = |(i, part)| {
                let path = format!("{path}.where[{i}]");
                predicate(part, &path, depth + 1, &mut |name| members.intern_property(name))
            };
            let parts = parts.iter().enumerate().map(part).collect::<Result<_, _>>()?;
            Ok(Predicate::AnyOf(field, AnyElement::new(members, parts)))
        }
        spec::Predicate::Property(comparison) => {
            if comparison.name.is_empty() {
                return Err(fault(
                    format!("{path}.property"),
                    "the property has no name; write one, such as \"keyword\"",
                ));
            }
            let field = names(&comparison.name);
            let read = Read::compile(comparison);
            match read.map_err(|(member, message)| fault(format!("{path}.{member}"), message))? {
                Some(read) if comparison.op == Op::Ne => {
                    Ok(Predicate::Not(Box::new(Predicate::Read(field, read))))
                }
                Some(read) => Ok(Predicate::Read(field, read)),
                None => {
                    property(field, comparison).map_err(|message| fault(format!("{path}.value"), message))
                }
            }
        }
        spec::Predicate::Expr(text) => {
            let mut resolve = |name: &str, output: Option<&str>| match output {
                None => Ok(names(name).index()),
                Some(inner) => Err(format!(
                    "a property with a dot in its name is read by prop(..); write prop(\"{name}.{inner}\")"
                )),
            };
            let expression = Expression::compile_floats(text, &mut resolve);
            expression.map(Predicate::Expr).map_err(|e| fault(format!("{path}.expr"), e.to_string()))
        }
    }
}

fn property(field: Field, comparison: &Comparison) -> Result<Predicate, String> {
    let value = &comparison.value;
    Ok(match comparison.op {
        Op::Eq => Predicate::Equal(field, literal(value)?),
        Op::Ne => Predicate::Differs(field, literal(value)?),
        Op::In => Predicate::OneOf(field, OneOf::new(list(value)?)),
        Op::Between => Predicate::Between(field, between(value)?),
        Op::Exists => Predicate::Exists(field, exists(value)?),
        Op::InCidr => Predicate::Read(field, Read::within(value)?),
        Op::Contains => Predicate::Text(field, TextPosition::Anywhere, needle(value, "contains")?),
        Op::StartsWith => Predicate::Text(field, TextPosition::Start, needle(value, "starts_with")?),
        Op::EndsWith => Predicate::Text(field, TextPosition::End, needle(value, "ends_with")?),
        Op::Regex => Predicate::Regex(field, regex(value, false)?),
        Op::Gt | Op::Ge | Op::Lt | Op::Le => match (Order::of(comparison.op), literal(value)?) {
            (Some(order), literal @ (Literal::Number(_) | Literal::Text(..))) => {
                Predicate::Ordered(field, order, literal)
            }
            _ => return Err("true and false have no order; compare them with = or !=".into()),
        },
    })
}

/// The literal of a single JSON value.
pub(super) fn literal(value: &Json) -> Result<Literal, String> {
    match value {
        Json::Bool(bool) => Ok(Literal::Bool(*bool)),
        Json::Number(number) => Number::of_json(number)
            .map(Literal::Number)
            .ok_or_else(|| format!("{number} is out of range; write a smaller number or a text")),
        Json::String(text) => Ok(Literal::text(text)),
        Json::Null => {
            Err("null is not a value; write {\"op\": \"exists\", \"value\": false} for \"is not there\""
                .into())
        }
        Json::Array(_) => {
            Err("a list is not a single value; use `in` with a list, or `between` with two values".into())
        }
        Json::Object(_) => Err("an object is not a value; write a number, a text, true or false".into()),
    }
}

/// The literals of `in`; at least one.
pub(super) fn list(value: &Json) -> Result<Vec<Literal>, String> {
    match value {
        Json::Array(values) if !values.is_empty() => values.iter().map(literal).collect(),
        _ => Err("`in` needs a list that is not empty, such as [\"p05\", \"p10\"]".into()),
    }
}

/// The two ends of `between`, lower first.
pub(super) fn between(value: &Json) -> Result<[Literal; 2], String> {
    let right = "`between` needs two numbers or two texts, the lower first, such as [10, 20]";
    let ends = match value {
        Json::Array(values) => <&[Json; 2]>::try_from(values.as_slice()).map_err(|_| right.to_owned())?,
        _ => return Err(right.into()),
    };
    let [low, high] = [literal(&ends[0])?, literal(&ends[1])?];
    let order = match (&low, &high) {
        (Literal::Number(a), Literal::Number(b)) => a.cmp(b),
        (Literal::Text(a, _), Literal::Text(..)) => {
            let order = high.order(&Value::Text(a.as_ref().into()), &mut String::new());
            order.ok().flatten().unwrap_or(Ordering::Equal)
        }
        _ => return Err(right.into()),
    };
    if order.is_gt() {
        return Err(format!("{} is above {}; write the lower first: [{1}, {0}]", ends[0], ends[1]));
    }
    Ok([low, high])
}

/// The argument of `exists`.
pub(super) fn exists(value: &Json) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "`exists` takes true (it is there) or false (it is not)".into())
}

/// The argument of a text operator `op`.
pub(super) fn text<'j>(value: &'j Json, op: &str) -> Result<&'j str, String> {
    match value {
        Json::String(text) => Ok(text),
        Json::Number(number) => Err(format!("`{op}` takes a text; write \"{number}\" in quotes")),
        _ => Err(format!("`{op}` takes a text, such as \"重庆\"")),
    }
}

/// The argument of the text operator `op`, accents composed as those of values are.
pub(super) fn needle(value: &Json, op: &str) -> Result<Box<str>, String> {
    Ok(composed(text(value, op)?).into())
}

/// The compiled pattern of `regex`, accents composed as those of values are.
pub(super) fn regex(value: &Json, ignore_case: bool) -> Result<Regex, String> {
    let pattern = composed(text(value, "regex")?);
    RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|e| format!("this is not a regular expression: {e}"))
}
