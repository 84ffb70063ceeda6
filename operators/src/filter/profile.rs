//! Crowd queries: the operators of filters on the tags of a user's profile.
//!
//! Operators have the meaning they have in a filter, with these differences. A tag may be a list of words: an
//! operator holds if it holds for any word, `!=` if no word is equal. Two dates (`2026-11-20`, taken as
//! midnight UTC, or RFC 3339) compare as dates. A tag that is absent, `null`, an empty list or an object
//! makes every operator false, `!=` too; only `{"op": "exists", "value": false}` is true then. `not` is plain
//! negation.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Map, Value as Json};

use super::{
    compare::{Literal, scalar, spelled},
    compile::{MAX_DEPTH, between, exists, fault, list, literal, needle, regex},
    predicate::TextPosition,
    read::Read,
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
    Read(Read),
    /// Of `!=`: no word is read so.
    NoneRead(Read),
}

/// A literal of the query: two dates are the same if they are the same instant.
#[derive(Debug)]
struct Term(Literal);

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
        spec::Query::Tag(comparison) => {
            let read = Read::compile(comparison);
            let test = match read.map_err(|(member, message)| fault(below(member), message))? {
                Some(read) if comparison.op == Op::Ne => Test::NoneRead(read),
                Some(read) => Test::Read(read),
                None => test(comparison).map_err(|message| fault(below("value"), message))?,
            };
            Ok(Node::Tag(comparison.name.as_str().into(), test))
        }
    }
}

fn test(comparison: &Comparison) -> Result<Test, String> {
    let value = &comparison.value;
    let ordered = |accepts: fn(Ordering) -> bool| match literal(value)? {
        Literal::Bool(_) => Err("true and false have no order; compare them with = or !=".to_owned()),
        other => Ok(Test::Ordered(accepts, Term(other))),
    };
    Ok(match comparison.op {
        Op::Eq => Test::OneOf(vec![Term(literal(value)?)]),
        Op::Ne => Test::Differs(Term(literal(value)?)),
        Op::Gt => ordered(Ordering::is_gt)?,
        Op::Ge => ordered(Ordering::is_ge)?,
        Op::Lt => ordered(Ordering::is_lt)?,
        Op::Le => ordered(Ordering::is_le)?,
        Op::In => Test::OneOf(list(value)?.into_iter().map(Term).collect()),
        Op::Between => Test::Between(between(value)?.map(Term)),
        Op::Exists => Test::Exists(exists(value)?),
        Op::Contains => Test::Text(TextPosition::Anywhere, needle(value, "contains")?),
        Op::StartsWith => Test::Text(TextPosition::Start, needle(value, "starts_with")?),
        Op::EndsWith => Test::Text(TextPosition::End, needle(value, "ends_with")?),
        Op::InCidr => Test::Read(Read::within(value)?),
        Op::Regex => Test::Regex(regex(value, false)?),
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
                    Some(Json::Array(words)) => words.iter().filter_map(scalar).collect(),
                    other => other.and_then(scalar).into_iter().collect(),
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
            Test::Read(read) => words.iter().any(|word| read.holds(word, buffer).unwrap_or(false)),
            Test::NoneRead(read) => !words.iter().any(|word| read.holds(word, buffer).unwrap_or(false)),
            Test::Regex(regex) => words.iter().any(|word| regex.is_match(spelled(word, buffer))),
        }
    }
}

impl Term {
    fn equals(&self, word: &Value<'_>, buffer: &mut String) -> bool {
        match self.0.order_of_instants(word) {
            Some(order) => order.is_eq(),
            None => self.0.equals(word, buffer).unwrap_or(false),
        }
    }

    fn order(&self, word: &Value<'_>, buffer: &mut String) -> Option<Ordering> {
        self.0.order(word, buffer).ok().flatten()
    }
}
