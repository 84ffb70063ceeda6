//! Compiled predicates, and what they mean: evaluating one against one event is the reference for the index.

use std::cmp::Ordering;

use hashbrown::HashSet;
use regex::Regex;

use super::{
    Faulted,
    compare::{Literal, Unparsed, spelled},
    number::Number,
};
use crate::{
    document::spec::Op,
    expression::{Expression, Operand},
    model::{event::Event, field::Field, value::Value},
};

/// A question about one event.
#[derive(Debug)]
pub(super) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Exists(Field, bool),
    Equal(Field, Literal),
    /// Not equal, or absent.
    Differs(Field, Literal),
    Ordered(Field, Order, Literal),
    /// Both ends included.
    Between(Field, [Literal; 2]),
    OneOf(Field, OneOf),
    Text(Field, Place, Box<str>),
    Regex(Field, Regex),
    Expr(Expression),
}

/// One of the four orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Order {
    pub(super) fn of(op: Op) -> Option<Order> {
        Some(match op {
            Op::Gt => Order::Greater,
            Op::Ge => Order::GreaterOrEqual,
            Op::Lt => Order::Less,
            Op::Le => Order::LessOrEqual,
            _ => return None,
        })
    }

    fn accepts(self, order: Ordering) -> bool {
        match self {
            Order::Greater => order.is_gt(),
            Order::GreaterOrEqual => order.is_ge(),
            Order::Less => order.is_lt(),
            Order::LessOrEqual => order.is_le(),
        }
    }
}

/// Where a text must stand in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
}

impl Place {
    /// Whether the needle stands there in the text.
    pub(super) fn has(self, text: &str, needle: &str) -> bool {
        match self {
            Place::Anywhere => text.contains(needle),
            Place::Start => text.starts_with(needle),
            Place::End => text.ends_with(needle),
        }
    }
}

/// A list of values, one of which must be equal; as [`Literal::equals`] for each, without a loop.
#[derive(Debug)]
pub(super) struct OneOf {
    pub(super) literals: Vec<Literal>,
    numbers: HashSet<Number>,
    /// What the texts are worth, for values that are numbers.
    worths: HashSet<Number>,
    texts: HashSet<Box<str>>,
    bools: [bool; 2],
}

impl OneOf {
    pub(super) fn new(literals: Vec<Literal>) -> OneOf {
        let mut one_of = OneOf {
            numbers: HashSet::new(),
            worths: HashSet::new(),
            texts: HashSet::new(),
            bools: [false; 2],
            literals: Vec::new(),
        };
        for literal in &literals {
            match literal {
                Literal::Number(number) => {
                    one_of.numbers.insert(*number);
                }
                Literal::Text(text, worth) => {
                    one_of.texts.insert(text.clone());
                    one_of.worths.extend(worth);
                }
                Literal::Bool(bool) => one_of.bools[usize::from(*bool)] = true,
            }
        }
        one_of.literals = literals;
        one_of
    }

    fn has(&self, value: &Value<'_>) -> Result<bool, Unparsed> {
        let number = if self.numbers.is_empty() && self.worths.is_empty() { None } else { Number::of(value) };
        let found = number.is_some_and(|n| self.numbers.contains(&n))
            || match value {
                Value::Text(text) => self.texts.contains(text.as_ref()),
                Value::Bool(bool) => {
                    self.bools[usize::from(*bool)]
                        || self.texts.contains(if *bool { "true" } else { "false" })
                }
                Value::Int(_) | Value::Float(_) => number.is_some_and(|n| self.worths.contains(&n)),
            };
        if !found && number.is_none() && !self.numbers.is_empty() { Err(Unparsed) } else { Ok(found) }
    }
}

/// An event being looked at.
pub(super) struct Look<'e, 'v> {
    pub(super) event: &'e Event<'v>,
    pub(super) faulted: &'e mut Faulted,
    pub(super) buffer: String,
}

impl<'e, 'v> Look<'e, 'v> {
    pub(super) fn new(event: &'e Event<'v>, faulted: &'e mut Faulted) -> Self {
        Look { event, faulted, buffer: String::new() }
    }

    /// Asks about a value; absent is false, and so is what should have been a number.
    fn ask(
        &mut self,
        field: Field,
        question: impl FnOnce(&Value<'_>, &mut String) -> Result<bool, Unparsed>,
    ) -> bool {
        let Some(value) = self.event.get(field) else { return false };
        question(value, &mut self.buffer).unwrap_or_else(|Unparsed| {
            self.faulted.unparsed += 1;
            false
        })
    }
}

impl Predicate {
    /// Whether the event answers yes.
    pub(super) fn holds(&self, look: &mut Look<'_, '_>) -> bool {
        match self {
            Predicate::All(parts) => parts.iter().all(|part| part.holds(look)),
            Predicate::Any(parts) => parts.iter().any(|part| part.holds(look)),
            Predicate::Not(part) => !part.holds(look),
            Predicate::Exists(field, wanted) => look.event.get(*field).is_some() == *wanted,
            Predicate::Equal(field, literal) => {
                look.ask(*field, |value, buffer| literal.equals(value, buffer))
            }
            Predicate::Differs(field, literal) => {
                look.event.get(*field).is_none()
                    || look.ask(*field, |value, buffer| literal.equals(value, buffer).map(|equal| !equal))
            }
            Predicate::Ordered(field, order, literal) => look.ask(*field, |value, buffer| {
                Ok(literal.order(value, buffer)?.is_some_and(|o| order.accepts(o)))
            }),
            Predicate::Between(field, [low, high]) => look.ask(*field, |value, buffer| {
                Ok(low.order(value, buffer)?.is_some_and(Ordering::is_ge)
                    && high.order(value, buffer)?.is_some_and(Ordering::is_le))
            }),
            Predicate::OneOf(field, list) => look.ask(*field, |value, _| list.has(value)),
            Predicate::Text(field, place, needle) => {
                look.ask(*field, |value, buffer| Ok(place.has(spelled(value, buffer), needle)))
            }
            Predicate::Regex(field, regex) => {
                look.ask(*field, |value, buffer| Ok(regex.is_match(spelled(value, buffer))))
            }
            Predicate::Expr(expression) => expr(expression, look),
        }
    }

    /// How dear the predicate is, for asking cheap ones first.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Predicate::Exists(..) | Predicate::Equal(..) | Predicate::Differs(..) => 1,
            Predicate::Ordered(..) | Predicate::Between(..) | Predicate::OneOf(..) => 2,
            Predicate::Text(..) => 4,
            Predicate::Expr(_) => 8,
            Predicate::Regex(..) => 16,
            Predicate::Not(part) => part.cost(),
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(Predicate::cost).sum(),
        }
    }
}

/// An expression over properties: false if one of them is absent, numbers and numeric texts as floats.
fn expr(expression: &Expression, look: &mut Look<'_, '_>) -> bool {
    let event = look.event;
    let value = |slot: usize| event.values.get(slot).and_then(Option::as_ref);
    if expression.slots().any(|slot| value(slot).is_none()) {
        return false;
    }
    let held = expression.holds(&mut |slot| match value(slot) {
        None => Operand::Absent,
        Some(value) => value.number().map_or_else(|| Operand::from(value), Operand::Float),
    });
    held.unwrap_or_else(|_| {
        look.faulted.errors += 1;
        false
    })
}
