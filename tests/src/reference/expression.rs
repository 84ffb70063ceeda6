//! Evaluation of expressions (`met`, `when`, `expr`): a walk over the tree with the names of a scope.
//!
//! Two failures are distinguished: an *absent* figure (nothing folded yet) makes what is computed from it
//! absent and every comparison false; an *error* (overflow, a text added to a number) makes the whole
//! expression false.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::node::{Comparison, Node};
use super::parse_expression;
use super::read::composed;
use super::value::{Number, Value};

/// An error of an evaluation.
#[derive(Debug)]
pub(crate) struct Problem;

/// A value, nothing (absent), or an error.
pub(crate) type Figure = Result<Option<Value>, Problem>;

/// Names of an expression and their values.
pub(crate) trait Scope {
    /// Value of a bare name.
    fn name(&self, name: &str) -> Figure;
    /// Value of a bare name that is compared by its spelling.
    fn as_it_is(&self, name: &str) -> Figure {
        self.name(name)
    }
    /// Value of `id.output`.
    fn output(&self, id: &str, output: &str) -> Figure;
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression(Node);

impl Expression {
    /// Parses a text; with `floats` all its numbers are floats, as in a filter's `expr`.
    pub(crate) fn parse(text: &str, floats: bool) -> Self {
        Self(parse_expression::parse(text, floats).unwrap_or_else(|e| panic!("no expression: {text}: {e}")))
    }

    /// Whether it is true: neither false nor absent nor an error.
    pub(crate) fn holds(&self, scope: &dyn Scope) -> bool {
        matches!(evaluate(&self.0, scope), Ok(Some(Value::Bool(true))))
    }

    /// All bare names in it.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        collect_names(&self.0, &mut names);
        names
    }

    #[cfg(test)]
    pub(crate) fn evaluate(&self, scope: &dyn Scope) -> Figure {
        evaluate(&self.0, scope)
    }
}

fn collect_names<'a>(node: &'a Node, names: &mut BTreeSet<&'a str>) {
    match node {
        Node::Name(name) => {
            names.insert(name);
        }
        Node::Literal(_) | Node::Output(..) => {}
        Node::Negate(a) | Node::Not(a) => collect_names(a, names),
        Node::And(a, b)
        | Node::Or(a, b)
        | Node::Same(_, a, b)
        | Node::Compare(_, a, b)
        | Node::Arithmetic(_, a, b) => {
            collect_names(a, names);
            collect_names(b, names);
        }
        Node::If(a, b, c) => [a, b, c].into_iter().for_each(|node| collect_names(node, names)),
        Node::Call(_, list) => list.iter().for_each(|node| collect_names(node, names)),
    }
}

fn evaluate(node: &Node, scope: &dyn Scope) -> Figure {
    Ok(match node {
        Node::Literal(value) => Some(value.clone()),
        Node::Name(name) => scope.name(name)?,
        Node::Output(id, output) => scope.output(id, output)?,
        Node::Negate(a) => match evaluate(a, scope)? {
            None => None,
            Some(Value::Int(i)) => Some(Value::Int(in_range(-i)?)),
            Some(Value::Float(f)) => Some(Value::Float(-f)),
            Some(_) => return Err(Problem),
        },
        Node::Not(a) => Some(Value::Bool(!truth(a, scope)?)),
        Node::And(a, b) => Some(Value::Bool(truth(a, scope)? && truth(b, scope)?)),
        Node::Or(a, b) => Some(Value::Bool(truth(a, scope)? || truth(b, scope)?)),
        Node::If(condition, yes, no) => {
            return if truth(condition, scope)? { evaluate(yes, scope) } else { evaluate(no, scope) };
        }
        Node::Same(wanted, a, b) => match (as_it_is(a, scope)?, as_it_is(b, scope)?) {
            (Some(a), Some(b)) => Some(Value::Bool((spelled(&a) == spelled(&b)) == *wanted)),
            _ => Some(Value::Bool(false)),
        },
        Node::Compare(comparison, a, b) => match (evaluate(a, scope)?, evaluate(b, scope)?) {
            (Some(a), Some(b)) => Some(Value::Bool(compare(*comparison, &a, &b))),
            _ => Some(Value::Bool(false)),
        },
        Node::Arithmetic(operator, a, b) => match (evaluate(a, scope)?, evaluate(b, scope)?) {
            (Some(a), Some(b)) => arithmetic(*operator, &a, &b)?,
            _ => None,
        },
        Node::Call(name, list) => {
            let values: Result<Vec<_>, _> = list.iter().map(|node| evaluate(node, scope)).collect();
            match values?.into_iter().collect::<Option<Vec<_>>>() {
                None => None,
                Some(values) => Some(call(name, &values)?),
            }
        }
    })
}

fn as_it_is(node: &Node, scope: &dyn Scope) -> Figure {
    match node {
        Node::Name(name) => scope.as_it_is(name),
        other => evaluate(other, scope),
    }
}

fn spelled(value: &Value) -> String {
    composed(&value.to_text())
}

/// An operand of `! && || if`: an absent one is false, one that is no boolean an error.
fn truth(node: &Node, scope: &dyn Scope) -> Result<bool, Problem> {
    match evaluate(node, scope)? {
        None => Ok(false),
        Some(Value::Bool(b)) => Ok(b),
        Some(_) => Err(Problem),
    }
}

fn compare(comparison: Comparison, a: &Value, b: &Value) -> bool {
    let order = match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        // Only numbers: a numeric text stays a text here.
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            return a
                .number()
                .zip(b.number())
                .is_some_and(|(a, b)| compare_floats(comparison, a.float(), b.float()));
        }
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
    }
}

/// Rhai takes two floats as equal if they differ by a rounding error of the larger one. So infinity is
/// neither more nor less than any number.
fn compare_floats(comparison: Comparison, a: f64, b: f64) -> bool {
    let scale = if a * b == 0.0 { 1.0 } else { a.abs().max(b.abs()) };
    let difference = if scale == 0.0 { 0.0 } else { (a - b) / scale };
    match comparison {
        Comparison::Equal => difference.abs() <= f64::EPSILON,
        Comparison::NotEqual => difference.abs() > f64::EPSILON,
        Comparison::Less => -difference > f64::EPSILON,
        Comparison::LessOrEqual => -difference > -f64::EPSILON,
        Comparison::Greater => difference > f64::EPSILON,
        Comparison::GreaterOrEqual => difference > -f64::EPSILON,
    }
}

/// Integers have 64 bits; a result beyond is an error, not a float.
fn in_range(integer: i128) -> Result<i128, Problem> {
    i64::try_from(integer).map(i128::from).map_err(|_| Problem)
}

/// The result of an operator; `None` if something is divided by zero.
fn arithmetic(operator: char, a: &Value, b: &Value) -> Result<Option<Value>, Problem> {
    let (a, b) = (plain_number(a)?, plain_number(b)?);
    if (operator == '/' || operator == '%') && b.float() == 0.0 {
        return Ok(None);
    }
    Ok(Some(match (a, b) {
        (Number::Int(a), Number::Int(b)) if operator != '/' => {
            let result = match operator {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                '%' => a.checked_rem(b).ok_or(Problem)?,
                _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).ok_or(Problem)?,
            };
            Value::Int(in_range(result)?)
        }
        (a, b) => {
            let (a, b) = (a.float(), b.float());
            Value::Float(match operator {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                '/' => a / b,
                '%' => a % b,
                _ => a.powf(b),
            })
        }
    }))
}

fn plain_number(value: &Value) -> Result<Number, Problem> {
    match value {
        Value::Int(_) | Value::Float(_) => value.number().ok_or(Problem),
        Value::Bool(_) | Value::Text(_) | Value::List(..) | Value::Object(_) => Err(Problem),
    }
}

fn call(name: &str, values: &[Value]) -> Result<Value, Problem> {
    Ok(match (name, values) {
        ("abs", [Value::Int(i)]) => Value::Int(in_range(i.abs())?),
        ("abs", [Value::Float(f)]) => Value::Float(f.abs()),
        ("round" | "floor" | "ceil", [Value::Int(i)]) => Value::Int(*i),
        ("round", [Value::Float(f)]) => Value::Float(f.round()),
        ("floor", [Value::Float(f)]) => Value::Float(f.floor()),
        ("ceil", [Value::Float(f)]) => Value::Float(f.ceil()),
        ("min" | "max", [a, b]) => match (plain_number(a)?, plain_number(b)?) {
            (Number::Int(a), Number::Int(b)) => Value::Int(if name == "min" { a.min(b) } else { a.max(b) }),
            // Mixed, the result is a float, like that of arithmetic.
            (a, b) => {
                let (a, b) = (a.float(), b.float());
                let first = if name == "min" { a <= b } else { a >= b };
                Value::Float(if first { a } else { b })
            }
        },
        _ => return Err(Problem),
    })
}
