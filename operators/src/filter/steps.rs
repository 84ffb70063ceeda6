//! Masks of units by thresholds, for fields that are compared with numbers.
//!
//! Comparisons with numbers change their result only at the numbers they name. These points divide all
//! numbers into points and gaps between them, each of which has a mask, found by binary search. A value that
//! is no number has a mask of its own.
//!
//! **Invariant**: the mask of a value has the bits of exactly the units whose requirement the value meets,
//! and of those that require nothing here.

use std::{cmp::Ordering, sync::Arc};

use super::{
    Faulted,
    compare::Literal,
    predicate::{Evaluation, Predicate},
    requirement::Requirement,
};
use crate::model::{event::Event, number::Number, value::Value};

/// Upper bound of the numbers that a requirement names: each makes two more masks. Longer lists are looked
/// up.
const MOST_POINTS: usize = 16;

/// Masks by number.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    /// Numbers that predicates name, ascending and distinct.
    points: Vec<Number>,
    /// Number of words of a mask.
    words: usize,
    /// Masks of the gap before each point and of the point itself, in turn, of the gap behind the last point,
    /// and of a value that is no number.
    masks: Vec<u64>,
    /// Predicates and bits of each requirement: a list has several values, and so no mask.
    requirements: Box<[Required]>,
}

/// Predicates of a requirement, and the bits of its units.
type Required = (Box<[Arc<Predicate>]>, Box<[u32]>);

/// A value as comparisons with numbers see it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    NoNumber,
    /// A number: `0` a point, `-1` in the gap before the point, `1` in the gap behind it.
    Number(Number, i8),
}

impl Steps {
    /// Whether a requirement is answered by thresholds: it only compares the field with few numbers, and asks
    /// whether the field is there.
    pub(super) fn answer(requirement: &Requirement<'_>) -> bool {
        let mut named = 0;
        requirement.predicates().for_each(|predicate| points(predicate, &mut |_| named += 1));
        named <= MOST_POINTS && requirement.predicates().all(is_numeric)
    }

    /// Makes the masks for requirements that thresholds [answer](Steps::answer); `free` has the bits of the
    /// units that require nothing here.
    pub(super) fn new(requirements: &[Requirement<'_>], free: &[u64]) -> Steps {
        // Which requirements may change at which point.
        let mut changes: Vec<(Number, usize)> = Vec::new();
        for (at, requirement) in requirements.iter().enumerate() {
            let mut add = |number| changes.push((number, at));
            requirement.predicates().for_each(|predicate| points(predicate, &mut add));
        }
        changes.sort_unstable();
        changes.dedup();
        let own = |requirement: &Requirement<'_>| {
            let predicates = requirement.conjuncts.iter().map(|conjunct| Arc::clone(&conjunct.predicate));
            (predicates.collect(), requirement.bits.as_slice().into())
        };
        let own = requirements.iter().map(own).collect();
        let mut steps = Steps { points: Vec::new(), words: free.len(), masks: Vec::new(), requirements: own };
        let mut mask = free.to_vec();
        let least = changes.first().map_or(Number::Int(0), |(number, _)| *number);
        requirements.iter().for_each(|r| r.write(&mut mask, meets(r, Seen::Number(least, -1))));
        steps.masks.extend_from_slice(&mask);
        for changes in changes.chunk_by(|a, b| a.0 == b.0) {
            let point = changes[0].0;
            steps.points.push(point);
            for side in [0, 1] {
                for (_, at) in changes {
                    let requirement = &requirements[*at];
                    requirement.write(&mut mask, meets(requirement, Seen::Number(point, side)));
                }
                steps.masks.extend_from_slice(&mask);
            }
        }
        requirements.iter().for_each(|r| r.write(&mut mask, meets(r, Seen::NoNumber)));
        steps.masks.extend_from_slice(&mask);
        steps
    }

    /// Clears the bits of the units that the list which the field of an event is rules out. Returns whether one of its
    /// elements is no number although one is needed.
    #[cold]
    pub(super) fn narrow_by_list(&self, event: &Event<'_>, mask: &mut [u64]) -> bool {
        let mut faulted = Faulted::default();
        let mut evaluation = Evaluation::new(event, &mut faulted);
        for (predicates, bits) in &self.requirements {
            if !predicates.iter().all(|predicate| predicate.holds(&mut evaluation)) {
                bits.iter().for_each(|bit| mask[*bit as usize / 64] &= !(1 << (bit % 64)));
            }
        }
        faulted.unparsed > 0
    }

    /// Clears the bits of the units that a value rules out. Returns whether it is no number although one is
    /// needed.
    pub(super) fn narrow(&self, value: &Value<'_>, mask: &mut [u64]) -> bool {
        let number = Number::of(value);
        let row = match number {
            Some(number) => {
                let before = self.points.partition_point(|point| *point < number);
                2 * before + usize::from(self.points.get(before) == Some(&number))
            }
            None => 2 * self.points.len() + 1,
        };
        let row = &self.masks[row * self.words..][..self.words];
        mask.iter_mut().zip(row).for_each(|(mask, row)| *mask &= row);
        number.is_none() && !self.points.is_empty()
    }
}

/// Whether a predicate only compares its field with numbers, and asks whether it is there.
fn is_numeric(predicate: &Predicate) -> bool {
    let number = |literal: &Literal| matches!(literal, Literal::Number(_));
    match predicate {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().all(is_numeric),
        Predicate::Not(part) => is_numeric(part),
        Predicate::Exists(..) => true,
        Predicate::Equal(_, literal) | Predicate::Differs(_, literal) | Predicate::Ordered(_, _, literal) => {
            number(literal)
        }
        Predicate::Between(_, ends) => ends.iter().all(number),
        Predicate::OneOf(_, list) => list.literals.iter().all(number),
        Predicate::Text(..)
        | Predicate::Regex(..)
        | Predicate::Read(..)
        | Predicate::AnyOf(..)
        | Predicate::Expr(_) => false,
    }
}

/// Calls `add` with the numbers that a predicate names.
fn points(predicate: &Predicate, add: &mut impl FnMut(Number)) {
    let mut literal = |literal: &Literal| {
        if let Literal::Number(number) = literal {
            add(*number);
        }
    };
    match predicate {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().for_each(|part| points(part, add)),
        Predicate::Not(part) => points(part, add),
        Predicate::Equal(_, number) | Predicate::Differs(_, number) | Predicate::Ordered(_, _, number) => {
            literal(number);
        }
        Predicate::Between(_, ends) => ends.iter().for_each(literal),
        Predicate::OneOf(_, list) => list.literals.iter().for_each(literal),
        Predicate::Exists(..)
        | Predicate::Text(..)
        | Predicate::Regex(..)
        | Predicate::Read(..)
        | Predicate::AnyOf(..)
        | Predicate::Expr(_) => {}
    }
}

fn meets(requirement: &Requirement<'_>, seen: Seen) -> bool {
    requirement.predicates().all(|predicate| holds(predicate, seen))
}

/// Whether a predicate holds for a value that is present.
fn holds(predicate: &Predicate, seen: Seen) -> bool {
    let order = |literal: &Literal| match (seen, literal) {
        (Seen::Number(number, side), Literal::Number(point)) => Some((number, side).cmp(&(*point, 0))),
        _ => None,
    };
    match predicate {
        Predicate::All(parts) => parts.iter().all(|part| holds(part, seen)),
        Predicate::Any(parts) => parts.iter().any(|part| holds(part, seen)),
        Predicate::Not(part) => !holds(part, seen),
        Predicate::Exists(_, wanted) => *wanted,
        Predicate::Equal(_, literal) => order(literal) == Some(Ordering::Equal),
        Predicate::Differs(_, literal) => order(literal) != Some(Ordering::Equal),
        Predicate::Ordered(_, wanted, literal) => order(literal).is_some_and(|order| wanted.accepts(order)),
        Predicate::Between(_, [low, high]) => {
            order(low).is_some_and(Ordering::is_ge) && order(high).is_some_and(Ordering::is_le)
        }
        Predicate::OneOf(_, list) => list.literals.iter().any(|l| order(l) == Some(Ordering::Equal)),
        Predicate::Text(..)
        | Predicate::Regex(..)
        | Predicate::Read(..)
        | Predicate::AnyOf(..)
        | Predicate::Expr(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        filter::{Conjunct, Filter},
        model::field::Fields,
    };

    fn conjuncts(predicates: &[Json]) -> Vec<Conjunct> {
        let spec = serde_json::from_value(json!({"id": "e", "where": predicates})).unwrap();
        Filter::compile(&spec, &mut Fields::default()).unwrap().conjuncts.to_vec()
    }

    /// A requirement per conjunct, of the unit of the same position.
    fn requirements(conjuncts: &[Conjunct]) -> Vec<Requirement<'_>> {
        let requirement = |(bit, c)| Requirement { conjuncts: vec![c], bits: vec![bit], waiting: Vec::new() };
        (0..).zip(conjuncts).map(requirement).collect()
    }

    #[test]
    fn each_point_and_each_gap_has_a_mask() {
        let compare = |op: &str, value: Json| json!({"property": "p", "op": op, "value": value});
        let conjuncts = conjuncts(&[
            compare("<", json!(5)),
            compare("<=", json!(5)),
            compare("=", json!(5)),
            compare("!=", json!(5)),
            compare("between", json!([5, 5.5])),
            json!({"not": compare("in", json!([-1, 6]))}),
        ]);
        let requirements = requirements(&conjuncts);
        assert!(requirements.iter().all(Steps::answer));
        let steps = Steps::new(&requirements, &[1 << 63]);
        let text = |text: &'static str| Value::Text(text.into());
        for (value, expected, unparsed) in [
            (Value::Int(-2), 0b10_1011, false),
            (Value::Int(-1), 0b00_1011, false),
            (Value::Float(4.75), 0b10_1011, false),
            (Value::Int(5), 0b11_0110, false),
            (text("5.25"), 0b11_1000, false),
            (text("5.5"), 0b11_1000, false),
            (Value::Float(5.625), 0b10_1000, false),
            (Value::Int(6), 0b00_1000, false),
            (Value::Int(i64::MAX), 0b10_1000, false),
            (text("five"), 0b10_1000, true),
            (Value::Bool(true), 0b10_1000, true),
        ] {
            let mut mask = [u64::MAX];
            assert_eq!(steps.narrow(&value, &mut mask), unparsed, "{value:?}");
            assert_eq!(mask, [1 << 63 | expected], "{value:?}");
        }
    }

    #[test]
    fn comparisons_with_texts_and_long_lists_have_no_thresholds() {
        let predicates = [
            json!({"property": "p", "op": "in", "value": (0..17).collect::<Vec<_>>()}),
            json!({"property": "p", "op": "=", "value": "5"}),
            json!({"property": "p", "op": "in", "value": [5, "6"]}),
            json!({"property": "p", "op": "=", "value": true}),
            json!({"property": "p", "op": "contains", "value": "5"}),
            json!({"any": [{"property": "p", "op": ">", "value": 5}, {"property": "p", "op": "regex", "value": "5"}]}),
            json!({"expr": "p > 5"}),
        ];
        let conjuncts = conjuncts(&predicates);
        assert!(!requirements(&conjuncts).iter().any(Steps::answer));
    }
}
