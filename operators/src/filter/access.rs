//! Choice of how the index reaches a filter: by a bit in masks, or at a value that decides it.
//!
//! Some predicates are a disjunction of [`Probe`]s of one field, each of which a lookup answers for all
//! filters at once.

use std::{cmp::Reverse, collections::BTreeMap};

use hashbrown::{HashMap, HashSet};

use super::{
    Conjunct,
    compare::Literal,
    predicate::{Predicate, TextPosition},
};
use crate::model::field::Field;

/// Bounds by which units get bits or wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Number of units of one event id up to which none waits, as their masks are short.
    pub(super) few: usize,
    /// A unit waits at a field if it names at most one in this many of the values and texts with which units
    /// compare the field.
    pub(super) rare: usize,
    /// Upper bound of the units with bits in one block.
    pub(super) most_bits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { few: 256, rare: 64, most_bits: 1_024 }
    }
}

/// A lookup that is answered for many filters at once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Probe {
    Equal(Literal),
    Text(TextPosition, Box<str>),
    Regex(Box<str>),
}

/// Requirements of a unit, by field.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape<'f> {
    /// Conjuncts over one field, by field.
    pub(super) fields: BTreeMap<Field, Vec<&'f Conjunct>>,
    /// Conjuncts over several fields or none, and expressions.
    residual: Vec<&'f Conjunct>,
}

/// The values and texts with which the units of one event id compare each field.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    units: usize,
    probes: HashMap<Field, HashSet<Probe>>,
}

impl<'f> Shape<'f> {
    /// The shape of a unit with these conjuncts.
    pub(super) fn of(conjuncts: &'f [Conjunct]) -> Shape<'f> {
        let (mut shape, mut known) = (Shape::default(), HashSet::new());
        for conjunct in conjuncts.iter().filter(|conjunct| known.insert(&conjunct.spelling)) {
            match conjunct.predicate.field() {
                Some(field) => shape.fields.entry(field).or_default().push(conjunct),
                None => shape.residual.push(conjunct),
            }
        }
        shape
    }

    /// The conjuncts that neither masks answer nor the value for which the unit waits at a field; cheapest
    /// first.
    pub(super) fn rest(&self, waits_at: Option<Field>) -> Vec<&'f Conjunct> {
        let others = self.fields.iter().filter(|(field, _)| waits_at.is_some_and(|at| at != **field));
        let mut rest: Vec<&Conjunct> = others.flat_map(|(_, conjuncts)| conjuncts.iter().copied()).collect();
        rest.extend(&self.residual);
        rest.sort_by_key(|conjunct| conjunct.predicate.cost());
        rest
    }
}

impl Vocabulary {
    /// Adds a unit.
    pub(super) fn add(&mut self, shape: &Shape<'_>) {
        self.units += 1;
        for (field, conjuncts) in &shape.fields {
            let probes = conjuncts.iter().filter_map(|conjunct| probes(&conjunct.predicate)).flatten();
            let probes = probes.filter(is_narrow);
            self.probes.entry(*field).or_default().extend(probes);
        }
    }

    /// The field at whose value a unit waits, so that it takes no bit in every mask: there are many units,
    /// and a rare value decides this one.
    pub(super) fn waits_at(&self, shape: &Shape<'_>, limits: Limits) -> Option<Field> {
        if self.units <= limits.few {
            return None;
        }
        let shares = shape.fields.iter().filter_map(|(field, conjuncts)| {
            let named = conjuncts.iter().filter_map(|c| narrow_probes(&c.predicate)).min()?;
            let known = self.probes.get(field)?.len();
            (named * limits.rare <= known).then_some((known / named.max(1), *field))
        });
        shares.max_by_key(|(rarity, field)| (*rarity, Reverse(*field))).map(|(_, field)| field)
    }
}

/// Number of probes of a predicate, all of which few values hit.
fn narrow_probes(predicate: &Predicate) -> Option<usize> {
    probes(predicate).filter(|probes| probes.iter().all(is_narrow)).map(|probes| probes.len())
}

fn is_narrow(probe: &Probe) -> bool {
    matches!(probe, Probe::Equal(Literal::Number(_) | Literal::Text(..)) | Probe::Text(..))
}

/// The probes of the most selective conjunct, and its position; `None` if no probes express any.
pub(super) fn key(conjuncts: &[&Conjunct]) -> Option<(usize, Vec<Probe>)> {
    let probed = conjuncts.iter().enumerate();
    let probed = probed.filter_map(|(at, conjunct)| Some((at, probes(&conjunct.predicate)?)));
    let class = |probe: &Probe| match probe {
        Probe::Equal(_) => 0,
        Probe::Text(..) => 1,
        Probe::Regex(_) => 2,
    };
    probed.min_by_key(|(_, probes)| (probes.iter().map(class).max(), probes.len()))
}

/// The probes of which at least one is hit exactly if the predicate holds; `None` if no probes express it.
fn probes(predicate: &Predicate) -> Option<Vec<Probe>> {
    let one = |probe| Some(vec![probe]);
    match predicate {
        Predicate::All(parts) => match parts.as_slice() {
            [part] => probes(part),
            _ => None,
        },
        Predicate::Any(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(probes(part)?);
            }
            Some(all)
        }
        Predicate::Equal(_, literal) => one(Probe::Equal(literal.clone())),
        Predicate::OneOf(_, list) => Some(list.literals.iter().cloned().map(Probe::Equal).collect()),
        Predicate::Text(_, position, needle) if !needle.is_empty() => {
            one(Probe::Text(*position, needle.clone()))
        }
        Predicate::Regex(_, regex) => one(Probe::Regex(regex.as_str().into())),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{filter::Filter, model::field::Fields};

    fn compare(property: &str, op: &str, value: &Json) -> Json {
        json!({"property": property, "op": op, "value": value})
    }

    #[test]
    fn a_unit_waits_at_its_rarest_value_if_there_are_many_units() {
        let mut fields = Fields::default();
        let mut filter = |predicates: Json| {
            let spec = serde_json::from_value(json!({"id": "e", "where": predicates})).unwrap();
            Filter::compile(&spec, &mut fields).unwrap()
        };
        let item = |item: u32| compare("item", "=", &json!(format!("item_{item}")));
        let page = |page: u32| compare("page", "=", &json!(page % 100));
        let both: Vec<Filter> = (0..300).map(|i| filter(json!([page(i), item(i)]))).collect();
        let cases = [
            (json!([item(7)]), Some("item")),
            (json!([page(7)]), Some("page")),
            (json!([page(7), item(7)]), Some("item")),
            (json!([compare("item", "in", &json!(["a", "b", "c", "d", "e", "f"]))]), None),
            (json!([compare("item", "!=", &json!("item_7"))]), None),
            (json!([compare("page", ">", &json!(7))]), None),
            (json!([compare("other", "=", &json!("item_7"))]), None),
            (json!([{"any": [item(7), page(7)]}]), None),
        ];
        let cases: Vec<_> = cases.into_iter().map(|(predicates, at)| (filter(predicates), at)).collect();
        let mut vocabulary = Vocabulary::default();
        for filter in &both {
            let shape = Shape::of(&filter.conjuncts);
            assert_eq!(vocabulary.waits_at(&shape, Limits::default()), None, "there are few");
            if vocabulary.units < 256 {
                vocabulary.add(&shape);
            }
        }
        both.iter().for_each(|filter| vocabulary.add(&Shape::of(&filter.conjuncts)));
        for (filter, expected) in cases {
            let waits_at = vocabulary.waits_at(&Shape::of(&filter.conjuncts), Limits::default());
            assert_eq!(waits_at.map(|field| fields.name(field)), expected, "{filter:?}");
        }
    }
}
