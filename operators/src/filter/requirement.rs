//! Requirements of units on one field.

use std::collections::BTreeMap;

use super::{
    Conjunct, Faulted,
    predicate::{Evaluation, Predicate},
};
use crate::model::event::Event;

/// Conjuncts over one field that must all hold, and the units of a block that require them.
#[derive(Clone, Debug, Default)]
pub(super) struct Requirement<'f> {
    /// The conjuncts.
    pub(super) conjuncts: Vec<&'f Conjunct>,
    /// Units that have a bit in masks, by their bits.
    pub(super) bits: Vec<u32>,
    /// Units that have none, by their numbers in the index: they wait for a value that meets the requirement.
    pub(super) waiting: Vec<u32>,
}

impl Requirement<'_> {
    /// The predicates of the conjuncts.
    pub(super) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        self.conjuncts.iter().map(|conjunct| &*conjunct.predicate)
    }

    /// Sets the bits of the units in a mask, or clears them.
    pub(super) fn write(&self, mask: &mut [u64], set: bool) {
        for bit in &self.bits {
            let (word, bit) = (&mut mask[*bit as usize / 64], 1 << (bit % 64));
            *word = if set { *word | bit } else { *word & !bit };
        }
    }

    /// Whether an event without the field meets the requirement.
    pub(super) fn is_met_by_absence(&self) -> bool {
        let (event, mut faulted) = (Event::default(), Faulted::default());
        let mut evaluation = Evaluation::new(&event, &mut faulted);
        self.predicates().all(|predicate| predicate.holds(&mut evaluation))
    }
}

/// Distinct requirements of one field.
#[derive(Debug, Default)]
pub(super) struct Requirements<'f> {
    /// By the spellings of their conjuncts, ascending.
    by_spelling: BTreeMap<Vec<&'f str>, Requirement<'f>>,
}

impl<'f> Requirements<'f> {
    /// The requirement of these conjuncts; made without units if there is none yet.
    pub(super) fn of(&mut self, conjuncts: &[&'f Conjunct]) -> &mut Requirement<'f> {
        let mut spellings: Vec<&str> = conjuncts.iter().map(|conjunct| &*conjunct.spelling).collect();
        spellings.sort_unstable();
        let requirement = self.by_spelling.entry(spellings);
        requirement.or_insert_with(|| Requirement { conjuncts: conjuncts.to_vec(), ..Requirement::default() })
    }

    /// The requirements.
    pub(super) fn into_vec(self) -> Vec<Requirement<'f>> {
        self.by_spelling.into_values().collect()
    }
}
