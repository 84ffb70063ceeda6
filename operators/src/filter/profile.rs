//! Crowd queries: the operators of filters on the tags of a user's profile.
//!
//! Operators have the meaning they have in a filter, with these differences. A tag may be a list of words: an
//! operator holds if it holds for any word, `!=` if no word is equal. Two dates (`2026-11-20`, taken as
//! midnight UTC, or RFC 3339) compare as dates. A tag that is absent, `null`, an empty list or an object
//! makes every operator false, `!=` too; only `{"op": "exists", "value": false}` is true then. `not` is plain
//! negation.

use std::cmp::Ordering;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use regex::Regex;
use serde_json::{Map, Value as Json};

use super::{
    compare::{Literal, spelled},
    compile::{MAX_DEPTH, between, exists, fault, list, literal, regex, text},
    predicate::TextPosition,
};
use crate::{
    document::{
        fault::Fault,
        spec::{self, Comparison, Op},
    },
    model::value::Value,
};

/// A compiled query.
///
/// ```
/// use strateye_operators::filter::profile::Query;
///
/// let document = r#"{"tag": "consume_level", "op": ">=", "value": 3}"#;
/// let query = Query::compile(&serde_json::from_str(document)?).map_err(|fault| fault.to_string())?;
/// let profile = serde_json::json!({"consume_level": 5});
/// assert!(query.holds(profile.as_object().ok_or("no object")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Query(Node);

#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Tag(Box<str>, Test),
}

#[derive(Debug)]
enum Test {
    Exists(bool),
    Differs(Term),
    /// Holds if the order of some word relative to the term is accepted.
    Ordered(fn(Ordering) -> bool, Term),
    Between([Term; 2]),
    OneOf(Vec<Term>),
    Text(TextPosition, Box<str>),
    Regex(Regex),
}

/// A literal of the query, and the instant it spells, if it does.
#[derive(Debug)]
struct Term(Literal, Option<Timestamp>);

/// Whether a profile satisfies a query; false for a query that [`check`] refuses. For many profiles, compile
/// the [`Query`] once.
pub fn holds(query: &spec::Query, profile: &Map<String, Json>) -> bool {
    Query::compile(query).is_ok_and(|query| query.holds(profile))
}

/// Checks a query without keeping its compiled form.
///
/// # Errors
/// The first fault, with its path relative to the query: `all[0].value`.
pub fn check(query: &spec::Query) -> Result<(), Fault> {
    Query::compile(query).map(|_| ())
}

impl Query {
    /// Compiles a query.
    ///
    /// # Errors
    /// As for [`check`].
    pub fn compile(query: &spec::Query) -> Result<Query, Fault> {
        node(query, "", 0).map(Query)
    }

    /// Whether a profile satisfies the query.
    pub fn holds(&self, profile: &Map<String, Json>) -> bool {
        self.0.holds(profile, &mut String::new())
    }
}

fn node(query: &spec::Query, path: &str, depth: usize) -> Result<Node, Fault> {
    if depth > MAX_DEPTH {
        return Err(fault(
            path,
            format!("`any`, `all` and `not` nest deeper than {MAX_DEPTH}; write it flatter"),
        ));
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let parts = |parts: &[spec::Query], name: &str| -> Result<Vec<Node>, Fault> {
        parts
            .iter()
            .enumerate()
            .map(|(i, part)| node(part, &below(&format!("{name}[{i}]")), depth + 1))
            .collect()
    };
    match query {
        spec::Query::All(list) => parts(list, "all").map(Node::All),
        spec::Query::Any(list) => parts(list, "any").map(Node::Any),
        spec::Query::Not(part) => Ok(Node::Not(Box::new(node(part, &below("not"), depth + 1)?))),
        spec::Query::Tag(comparison) if comparison.name.is_empty() => {
            Err(fault(below("tag"), "the tag has no name; write one, such as \"consume_level\""))
        }
        spec::Query::Tag(comparison) => match test(comparison) {
            Ok(test) => Ok(Node::Tag(comparison.name.as_str().into(), test)),
            Err(message) => Err(fault(below("value"), message)),
        },
    }
}

fn test(comparison: &Comparison) -> Result<Test, String> {
    let value = &comparison.value;
    let ordered = |accepts: fn(Ordering) -> bool| match literal(value)? {
        Literal::Bool(_) => Err("true and false have no order; compare them with = or !=".to_owned()),
        other => Ok(Test::Ordered(accepts, Term::new(other))),
    };
    Ok(match comparison.op {
        Op::Eq => Test::OneOf(vec![Term::new(literal(value)?)]),
        Op::Ne => Test::Differs(Term::new(literal(value)?)),
        Op::Gt => ordered(Ordering::is_gt)?,
        Op::Ge => ordered(Ordering::is_ge)?,
        Op::Lt => ordered(Ordering::is_lt)?,
        Op::Le => ordered(Ordering::is_le)?,
        Op::In => Test::OneOf(list(value)?.into_iter().map(Term::new).collect()),
        Op::Between => Test::Between(between(value)?.map(Term::new)),
        Op::Exists => Test::Exists(exists(value)?),
        Op::Contains => Test::Text(TextPosition::Anywhere, text(value, "contains")?.into()),
        Op::StartsWith => Test::Text(TextPosition::Start, text(value, "starts_with")?.into()),
        Op::EndsWith => Test::Text(TextPosition::End, text(value, "ends_with")?.into()),
        Op::Regex => Test::Regex(regex(value)?),
    })
}

impl Node {
    fn holds(&self, profile: &Map<String, Json>, buffer: &mut String) -> bool {
        match self {
            Node::All(parts) => parts.iter().all(|part| part.holds(profile, buffer)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(profile, buffer)),
            Node::Not(part) => !part.holds(profile, buffer),
            Node::Tag(tag, test) => {
                let tag = profile.get(&**tag);
                let words: Vec<Value<'_>> = match tag {
                    Some(Json::Array(words)) => words.iter().filter_map(word).collect(),
                    other => other.and_then(word).into_iter().collect(),
                };
                if words.is_empty() {
                    matches!(test, Test::Exists(false))
                } else {
                    test.holds(&words, buffer)
                }
            }
        }
    }
}

/// A scalar as a value; `None` for null, lists and objects.
fn word(json: &Json) -> Option<Value<'_>> {
    match json {
        Json::Bool(bool) => Some(Value::Bool(*bool)),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float)),
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl Test {
    fn holds(&self, words: &[Value<'_>], buffer: &mut String) -> bool {
        match self {
            Test::Exists(wanted) => *wanted,
            Test::Differs(term) => !words.iter().any(|word| term.equals(word, buffer)),
            Test::OneOf(terms) => words.iter().any(|word| terms.iter().any(|term| term.equals(word, buffer))),
            Test::Ordered(accepts, term) => {
                words.iter().any(|word| term.order(word, buffer).is_some_and(accepts))
            }
            Test::Between([low, high]) => words.iter().any(|word| {
                low.order(word, buffer).is_some_and(Ordering::is_ge)
                    && high.order(word, buffer).is_some_and(Ordering::is_le)
            }),
            Test::Text(place, needle) => words.iter().any(|word| place.has(spelled(word, buffer), needle)),
            Test::Regex(regex) => words.iter().any(|word| regex.is_match(spelled(word, buffer))),
        }
    }
}

impl Term {
    fn new(literal: Literal) -> Term {
        let instant = match &literal {
            Literal::Text(text, _) => instant(text),
            _ => None,
        };
        Term(literal, instant)
    }

    fn dates(&self, word: &Value<'_>) -> Option<Ordering> {
        match word {
            Value::Text(text) => Some(instant(text)?.cmp(self.1.as_ref()?)),
            _ => None,
        }
    }

    fn equals(&self, word: &Value<'_>, buffer: &mut String) -> bool {
        match self.dates(word) {
            Some(order) => order.is_eq(),
            None => self.0.equals(word, buffer).unwrap_or(false),
        }
    }

    fn order(&self, word: &Value<'_>, buffer: &mut String) -> Option<Ordering> {
        self.dates(word).or_else(|| self.0.order(word, buffer).ok().flatten())
    }
}

/// The instant a text spells: RFC 3339, or a date as midnight UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    if bytes.len() > 10 {
        return text.parse().ok();
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
