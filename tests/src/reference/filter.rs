//! Filters: the events that a condition folds or a trigger fires on.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value as Json;

use super::event::Event;
use super::expression::{Expression, Problem, Scope};
use super::read::{Reading, composed, in_cidr, instant};
use super::value::{Number, Value, parse_number};

/// A filter: a list of event ids, and predicates that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    ids: Vec<String>,
    predicates: Vec<Predicate>,
}

#[derive(Clone, Debug)]
enum Predicate {
    Leaf {
        property: String,
        operator: String,
        operand: Json,
        reading: Option<Reading>,
    },
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    /// One element, an object, meets all.
    AnyOf(String, Vec<Predicate>),
    Expression(Expression),
}

impl Filter {
    pub(crate) fn parse(json: &Json) -> Self {
        let ids = match &json["id"] {
            Json::String(id) => vec![id.clone()],
            Json::Array(ids) => ids.iter().map(|id| id.as_str().expect("an event id").to_owned()).collect(),
            other => panic!("no event id: {other}"),
        };
        Self { ids, predicates: json.get("where").map_or_else(Vec::new, parse_list) }
    }

    pub(crate) fn matches(&self, event: &Event) -> bool {
        let named = self.ids.iter().any(|id| id == "*" || *id == event.id);
        named && self.predicates.iter().all(|p| p.holds(event))
    }
}

fn parse_list(json: &Json) -> Vec<Predicate> {
    json.as_array().expect("a list of predicates").iter().map(Predicate::parse).collect()
}

impl Predicate {
    fn parse(json: &Json) -> Self {
        if let Some(list) = json.get("all") {
            Self::All(parse_list(list))
        } else if let Some(list) = json.get("any") {
            Self::Any(parse_list(list))
        } else if let Some(inner) = json.get("not") {
            Self::Not(Box::new(Self::parse(inner)))
        } else if let Some(list) = json.get("any_of") {
            Self::AnyOf(list.as_str().expect("a list's name").to_owned(), parse_list(&json["where"]))
        } else if let Some(text) = json.get("expr") {
            Self::Expression(Expression::parse(text.as_str().expect("an expression's text"), true))
        } else {
            Self::Leaf {
                property: json["property"].as_str().expect("a property's name").to_owned(),
                operator: json["op"].as_str().expect("an operator").to_owned(),
                operand: json["value"].clone(),
                reading: Reading::parse(json),
            }
        }
    }

    fn holds(&self, event: &Event) -> bool {
        match self {
            Self::Leaf { property, operator, operand, reading } => {
                holds(operator, event.get(property).as_ref(), operand, reading.as_ref())
            }
            Self::All(list) => list.iter().all(|p| p.holds(event)),
            Self::Any(list) => list.iter().any(|p| p.holds(event)),
            Self::Not(inner) => !inner.holds(event),
            Self::AnyOf(list, parts) => {
                event.objects_in(list).iter().any(|object| parts.iter().all(|p| p.holds(object)))
            }
            // Any absent property makes the whole expression false, also one that evaluation would not reach.
            Self::Expression(expression) => {
                expression.names().iter().all(|name| event.get(name).and_then(Value::scalar).is_some())
                    && expression.holds(&Properties(event))
            }
        }
    }
}

/// Names of an `expr`: an event's properties, every number a float.
struct Properties<'a>(&'a Event);

impl Scope for Properties<'_> {
    fn name(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok(self.0.get(name).map(|value| match value.number() {
            Some(number) => Value::Float(number.float()),
            None => value,
        }))
    }

    fn as_it_is(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok(self.0.get(name))
    }

    fn output(&self, _: &str, _: &str) -> Result<Option<Value>, Problem> {
        Err(Problem)
    }
}

/// Whether `value OPERATOR operand` holds.
pub(crate) fn holds(
    operator: &str,
    value: Option<&Value>,
    operand: &Json,
    reading: Option<&Reading>,
) -> bool {
    if operator == "exists" {
        return value.is_some() == (operand == &Json::Bool(true));
    }
    match (operator, value) {
        ("!=", value) => !holds("=", value, operand, reading),
        // A list holds if an element does; an object never.
        (_, value) => value.is_some_and(|value| {
            let mut scalars = value.elements().iter().filter(|element| !matches!(element, Value::Object(_)));
            scalars.any(|element| match reading {
                Some(reading) => reading.holds(operator, element, operand),
                None => holds_for(operator, element, operand),
            })
        }),
    }
}

fn holds_for(operator: &str, value: &Value, operand: &Json) -> bool {
    let order = |bound: &Json| compare(value, bound);
    let text = composed(&value.to_text());
    match operator {
        "=" => equals(value, operand),
        ">" => order(operand) == Some(Ordering::Greater),
        ">=" => order(operand).is_some_and(Ordering::is_ge),
        "<" => order(operand) == Some(Ordering::Less),
        "<=" => order(operand).is_some_and(Ordering::is_le),
        "between" => {
            order(&operand[0]).is_some_and(Ordering::is_ge) && order(&operand[1]).is_some_and(Ordering::is_le)
        }
        "in" => operand.as_array().expect("a list").iter().any(|one| equals(value, one)),
        "contains" => text.contains(&composed(text_of(operand))),
        "starts_with" => text.starts_with(&composed(text_of(operand))),
        "ends_with" => text.ends_with(&composed(text_of(operand))),
        "regex" => Regex::new(&composed(text_of(operand))).expect("a regex").is_match(&text),
        "in_cidr" => in_cidr(value, operand),
        other => panic!("no operator: {other}"),
    }
}

fn text_of(operand: &Json) -> &str {
    operand.as_str().expect("a text")
}

fn equals(value: &Value, operand: &Json) -> bool {
    match (value, operand) {
        (value, Json::Bool(b)) => {
            matches!(value, Value::Bool(_) | Value::Text(_)) && value.to_text() == b.to_string()
        }
        // A text equals what has it as its one spelling, whatever number it means.
        (Value::Float(a), Json::String(b)) => a.to_string() == *b,
        (value, Json::String(b)) => composed(&value.to_text()) == composed(b),
        _ => compare(value, operand) == Some(Ordering::Equal),
    }
}

/// Order of a value relative to the rule's; `None` if the two do not compare. Against a text, everything that
/// is not a number on both sides compares by its spelling, booleans too.
fn compare(value: &Value, operand: &Json) -> Option<Ordering> {
    match operand {
        Json::Number(n) => {
            let bound = n.as_i64().map_or(Number::Float(n.as_f64()?), |i| Number::Int(i.into()));
            value.number()?.compare(bound)
        }
        Json::String(text) => match (value.number(), parse_number(text)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => {
                let instants = match value {
                    Value::Text(value) => instant(value).zip(instant(text)),
                    _ => None,
                };
                Some(match instants {
                    Some((a, b)) => a.cmp(&b),
                    None => composed(&value.to_text()).cmp(&composed(text)),
                })
            }
        },
        _ => None,
    }
}
