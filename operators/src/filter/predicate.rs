//! Compiled predicates and their evaluation on one event: the reference for the index.

use std::cmp::Ordering;

use hashbrown::HashSet;
use regex::Regex;

use super::{
    Faulted,
    compare::{Literal, Unparsed, spelled},
    elements::AnyElement,
    read::Read,
};
use crate::{
    document::spec::Op,
    expression::{Expression, Operand},
    model::{event::Event, field::Field, number::Number, value::Value},
};

/// A condition on one event.
#[derive(Clone, Debug)]
pub(super) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Exists(Field, bool),
    Equal(Field, Literal),
    /// Not equal, or the property is absent.
    Differs(Field, Literal),
    Ordered(Field, Order, Literal),
    /// Both ends included.
    Between(Field, [Literal; 2]),
    OneOf(Field, OneOf),
    Text(Field, TextPosition, Box<str>),
    Regex(Field, Regex),
    /// A comparison that says what the value is read as.
    Read(Field, Read),
    AnyOf(Field, AnyElement),
    Expr(Expression),
}

/// One of the four order comparisons.
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

    /// Whether a value of this order relative to the literal satisfies the comparison.
    pub(super) fn accepts(self, order: Ordering) -> bool {
        match self {
            Order::Greater => order.is_gt(),
            Order::GreaterOrEqual => order.is_ge(),
            Order::Less => order.is_lt(),
            Order::LessOrEqual => order.is_le(),
        }
    }
}

/// Position at which a text predicate's needle must occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum TextPosition {
    Anywhere,
    Start,
    End,
}

impl TextPosition {
    /// Whether the needle occurs at this position of the text.
    pub(super) fn has(self, text: &str, needle: &str) -> bool {
        match self {
            TextPosition::Anywhere => text.contains(needle),
            TextPosition::Start => text.starts_with(needle),
            TextPosition::End => text.ends_with(needle),
        }
    }
}

/// The list of `in`: true where [`Literal::equals`] is for one of its literals, by hash instead of a loop.
#[derive(Clone, Debug)]
pub(super) struct OneOf {
    pub(super) literals: Vec<Literal>,
    numbers: HashSet<Number>,
    texts: HashSet<Box<str>>,
    bools: [bool; 2],
}

impl OneOf {
    pub(super) fn new(literals: Vec<Literal>) -> OneOf {
        let mut one_of =
            OneOf { numbers: HashSet::new(), texts: HashSet::new(), bools: [false; 2], literals: Vec::new() };
        for literal in &literals {
            match literal {
                Literal::Number(number) => {
                    one_of.numbers.insert(*number);
                }
                Literal::Text(text, _) => {
                    one_of.texts.insert(text.clone());
                }
                Literal::Bool(bool) => one_of.bools[usize::from(*bool)] = true,
            }
        }
        one_of.literals = literals;
        one_of
    }

    fn has(&self, value: &Value<'_>, buffer: &mut String) -> Result<bool, Unparsed> {
        let number = if self.numbers.is_empty() { None } else { Number::of(value) };
        let bool = match value {
            Value::Bool(bool) => self.bools[usize::from(*bool)],
            Value::Text(text) => self.bools[1] && text == "true" || self.bools[0] && text == "false",
            Value::Int(_) | Value::Float(_) | Value::Nested(_) => false,
        };
        let found = bool
            || number.is_some_and(|n| self.numbers.contains(&n))
            || !self.texts.is_empty() && self.texts.contains(spelled(value, buffer));
        if !found && number.is_none() && !self.numbers.is_empty() { Err(Unparsed) } else { Ok(found) }
    }
}

/// Evaluation of predicates on one event: the event, the counts of what went wrong, and a buffer for
/// formatting.
pub(super) struct Evaluation<'e, 'v> {
    pub(super) event: &'e Event<'v>,
    pub(super) faulted: &'e mut Faulted,
    pub(super) buffer: String,
    /// Field of the list that was asked last, and its elements.
    elements: (Option<Field>, Vec<Value<'e>>),
}

impl<'e, 'v> Evaluation<'e, 'v> {
    pub(super) fn new(event: &'e Event<'v>, faulted: &'e mut Faulted) -> Self {
        Evaluation::with_buffer(event, faulted, String::new())
    }

    /// An evaluation that formats into `buffer`.
    pub(super) fn with_buffer(event: &'e Event<'v>, faulted: &'e mut Faulted, buffer: String) -> Self {
        Evaluation { event, faulted, buffer, elements: (None, Vec::new()) }
    }

    /// Applies `question` to a property's value, and to those of a list until one answers it; false if it is absent, or
    /// no number where one is needed. Objects answer nothing.
    fn ask(
        &mut self,
        field: Field,
        question: impl Fn(&Value<'_>, &mut String) -> Result<bool, Unparsed>,
    ) -> bool {
        let answer = match self.event.get(field) {
            None => Ok(false),
            Some(list @ Value::Nested(_)) => self.ask_each(field, list, question),
            Some(value) => question(value, &mut self.buffer),
        };
        answer.unwrap_or_else(|Unparsed| {
            self.faulted.unparsed += 1;
            false
        })
    }

    #[cold]
    fn ask_each(
        &mut self,
        field: Field,
        list: &'e Value<'v>,
        question: impl Fn(&Value<'_>, &mut String) -> Result<bool, Unparsed>,
    ) -> Result<bool, Unparsed> {
        let mut unparsed = false;
        for element in elements(&mut self.elements, field, list)
            .iter()
            .filter(|element| !matches!(element, Value::Nested(_)))
        {
            match question(element, &mut self.buffer) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Unparsed) => unparsed = true,
            }
        }
        if unparsed { Err(Unparsed) } else { Ok(false) }
    }

    /// Whether a property has such an element.
    fn has_element(&mut self, field: Field, any: &AnyElement) -> bool {
        let list = self.event.get(field).filter(|value| matches!(value, Value::Nested(_)));
        list.is_some_and(|list| any.is_among(elements(&mut self.elements, field, list), self.faulted))
    }
}

/// The elements of a field's list, from those that are `known`, if they are the field's.
fn elements<'k, 'e>(
    known: &'k mut (Option<Field>, Vec<Value<'e>>),
    field: Field,
    list: &'e Value<'_>,
) -> &'k [Value<'e>] {
    if known.0 != Some(field) {
        *known = (Some(field), list.elements());
    }
    &known.1
}

impl Predicate {
    /// Whether the predicate holds for the event.
    pub(super) fn holds(&self, evaluation: &mut Evaluation<'_, '_>) -> bool {
        match self {
            Predicate::All(parts) => parts.iter().all(|part| part.holds(evaluation)),
            Predicate::Any(parts) => parts.iter().any(|part| part.holds(evaluation)),
            Predicate::Not(part) => !part.holds(evaluation),
            Predicate::Exists(field, wanted) => evaluation.event.get(*field).is_some() == *wanted,
            Predicate::Equal(field, literal) => {
                evaluation.ask(*field, |value, buffer| literal.equals(value, buffer))
            }
            Predicate::Differs(field, literal) => {
                !evaluation.ask(*field, |value, buffer| literal.equals(value, buffer))
            }
            Predicate::Ordered(field, order, literal) => evaluation.ask(*field, |value, buffer| {
                Ok(literal.order(value, buffer)?.is_some_and(|o| order.accepts(o)))
            }),
            Predicate::Between(field, [low, high]) => evaluation.ask(*field, |value, buffer| {
                Ok(low.order(value, buffer)?.is_some_and(Ordering::is_ge)
                    && high.order(value, buffer)?.is_some_and(Ordering::is_le))
            }),
            Predicate::OneOf(field, list) => evaluation.ask(*field, |value, buffer| list.has(value, buffer)),
            Predicate::Text(field, place, needle) => {
                evaluation.ask(*field, |value, buffer| Ok(place.has(spelled(value, buffer), needle)))
            }
            Predicate::Regex(field, regex) => {
                evaluation.ask(*field, |value, buffer| Ok(regex.is_match(spelled(value, buffer))))
            }
            Predicate::Read(field, read) => evaluation.ask(*field, |value, buffer| read.holds(value, buffer)),
            Predicate::AnyOf(field, any) => evaluation.has_element(*field, any),
            Predicate::Expr(expression) => expr(expression, evaluation),
        }
    }

    /// The same predicate with other field positions: `positions` gives the new one of each field.
    pub(super) fn renumbered(&self, positions: &[Field]) -> Predicate {
        let at = |field: &Field| positions[field.index()];
        let each = |parts: &[Predicate]| parts.iter().map(|part| part.renumbered(positions)).collect();
        match self {
            Predicate::All(parts) => Predicate::All(each(parts)),
            Predicate::Any(parts) => Predicate::Any(each(parts)),
            Predicate::Not(part) => Predicate::Not(Box::new(part.renumbered(positions))),
            Predicate::Exists(field, wanted) => Predicate::Exists(at(field), *wanted),
            Predicate::Equal(field, literal) => Predicate::Equal(at(field), literal.clone()),
            Predicate::Differs(field, literal) => Predicate::Differs(at(field), literal.clone()),
            Predicate::Ordered(field, order, literal) => {
                Predicate::Ordered(at(field), *order, literal.clone())
            }
            Predicate::Between(field, ends) => Predicate::Between(at(field), ends.clone()),
            Predicate::OneOf(field, list) => Predicate::OneOf(at(field), list.clone()),
            Predicate::Text(field, place, needle) => Predicate::Text(at(field), *place, needle.clone()),
            Predicate::Regex(field, regex) => Predicate::Regex(at(field), regex.clone()),
            Predicate::Read(field, read) => Predicate::Read(at(field), read.clone()),
            Predicate::AnyOf(field, any) => Predicate::AnyOf(at(field), any.clone()),
            Predicate::Expr(expression) => {
                Predicate::Expr(expression.with_slots(|slot| positions[slot].index()))
            }
        }
    }

    /// The only field that the predicate reads; `None` if it reads several, or none, or is an expression, or is on the
    /// elements of a list.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Predicate::All(parts) | Predicate::Any(parts) => {
                let field = parts.first()?.field()?;
                parts.iter().all(|part| part.field() == Some(field)).then_some(field)
            }
            Predicate::Not(part) => part.field(),
            Predicate::Exists(field, _)
            | Predicate::Equal(field, _)
            | Predicate::Differs(field, _)
            | Predicate::Ordered(field, ..)
            | Predicate::Between(field, _)
            | Predicate::OneOf(field, _)
            | Predicate::Text(field, ..)
            | Predicate::Regex(field, _)
            | Predicate::Read(field, _) => Some(*field),
            Predicate::AnyOf(..) | Predicate::Expr(_) => None,
        }
    }

    /// Estimated cost of an evaluation, so that cheap predicates are checked first.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Predicate::Exists(..) | Predicate::Equal(..) | Predicate::Differs(..) => 1,
            Predicate::Ordered(..) | Predicate::Between(..) | Predicate::OneOf(..) => 2,
            Predicate::Text(..) | Predicate::Read(..) => 4,
            Predicate::Expr(_) => 8,
            Predicate::Regex(..) | Predicate::AnyOf(..) => 16,
            Predicate::Not(part) => part.cost(),
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(Predicate::cost).sum(),
        }
    }
}

/// Evaluates an expression over properties: false if one of them is absent, or a list.
fn expr(expression: &Expression, evaluation: &mut Evaluation<'_, '_>) -> bool {
    let event = evaluation.event;
    let value = |slot: usize| {
        let value = event.values.get(slot).and_then(Option::as_ref);
        value.filter(|value| !matches!(value, Value::Nested(_)))
    };
    if expression.slots().any(|slot| value(slot).is_none()) {
        return false;
    }
    let held = expression.holds(&mut |slot| value(slot).map_or(Operand::Absent, Operand::from));
    held.unwrap_or_else(|_| {
        evaluation.faulted.errors += 1;
        false
    })
}
