//! Meanings of one field's values to the units of a block, found out once per value and learned.
//!
//! **Invariant**: the answer for a value has the bits of exactly the units whose requirement the value meets,
//! and of those that require nothing here; its waiting units are exactly those whose requirement it meets,
//! each once.

use std::sync::Arc;

use super::{
    Faulted,
    access::key,
    block::Memory,
    lookup::Lookup,
    predicate::{Evaluation, Predicate},
    requirement::Requirement,
};
use crate::model::{event::Event, value::Value};

/// Requirements of one field that values have to be asked about.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// Number of the memory in which a worker keeps what it has learned here.
    memory: usize,
    /// Bits of the units that require nothing here.
    free: Vec<u64>,
    places: Vec<Place>,
    /// Leads to the places that have probes.
    lookup: Lookup,
    /// Places that have none and are checked for every value.
    unprobed: Vec<u32>,
}

/// A requirement.
#[derive(Clone, Debug)]
struct Place {
    /// Predicates that must hold besides the probe that leads here.
    checks: Box<[Arc<Predicate>]>,
    /// Units of the requirement, as there.
    bits: Box<[u32]>,
    waiting: Box<[u32]>,
}

impl Values {
    /// Makes the places of the requirements; `free` has the bits of the units that require nothing here.
    pub(super) fn new(requirements: Vec<Requirement<'_>>, free: Vec<u64>, memory: usize) -> Values {
        let (mut probes, mut unprobed) = (Vec::new(), Vec::new());
        let mut places: Vec<Place> = Vec::with_capacity(requirements.len());
        for (place, requirement) in (0..).zip(&requirements) {
            let key = key(&requirement.conjuncts);
            let probed = key.as_ref().map(|(at, _)| *at);
            let checks = requirement.conjuncts.iter().enumerate().filter(|(at, _)| Some(*at) != probed);
            places.push(Place {
                checks: checks.map(|(_, conjunct)| Arc::clone(&conjunct.predicate)).collect(),
                bits: requirement.bits.as_slice().into(),
                waiting: requirement.waiting.as_slice().into(),
            });
            match key {
                Some((_, keys)) => probes.extend(keys.into_iter().map(|probe| (probe, place))),
                None => unprobed.push(place),
            }
        }
        let (lookup, left) = Lookup::new(probes);
        for place in left {
            let conjuncts = &requirements[place as usize].conjuncts;
            places[place as usize].checks = conjuncts.iter().map(|c| Arc::clone(&c.predicate)).collect();
            unprobed.push(place);
        }
        Values { memory, free, places, lookup, unprobed }
    }

    /// Clears the bits of the units that a value of the event rules out, and adds the units that waited for
    /// it. Returns whether the value is no number although one is needed.
    pub(super) fn narrow(&self, event: &Event<'_>, value: &Value<'_>, memory: &mut Memory) -> bool {
        let Memory { learned, mask, waiting } = memory;
        if let Value::Nested(_) = value {
            // Lists are long, and rarely come again.
            let mut answer = Vec::new();
            let unparsed = self.ask(event, value, &mut answer, waiting);
            mask.iter_mut().zip(answer).for_each(|(mask, known)| *mask &= known);
            return unparsed;
        }
        let answer =
            learned[self.memory].answer(value, |mask, waiting| self.ask(event, value, mask, waiting));
        mask.iter_mut().zip(answer.mask).for_each(|(mask, known)| *mask &= known);
        waiting.extend_from_slice(answer.waiting);
        answer.unparsed
    }

    /// Finds out what a value means. Appends its mask and the units that wait for it.
    fn ask(
        &self,
        event: &Event<'_>,
        value: &Value<'_>,
        masks: &mut Vec<u64>,
        waiting: &mut Vec<u32>,
    ) -> bool {
        let first = masks.len();
        masks.extend_from_slice(&self.free);
        let (mut hits, mut faulted) = (self.unprobed.clone(), Faulted::default());
        let mut evaluation = Evaluation::new(event, &mut faulted);
        let mut find = |value: &Value<'_>| {
            self.lookup.find(value, &mut evaluation.buffer, &mut |place| hits.push(place)).is_err()
        };
        let unparsed = match value {
            Value::Nested(_) => {
                let elements = value.elements();
                let scalars = elements.iter().filter(|element| !matches!(element, Value::Nested(_)));
                scalars.filter(|element| find(element)).count() > 0
            }
            value => find(value),
        };
        hits.sort_unstable();
        hits.dedup();
        for place in hits {
            let place = &self.places[place as usize];
            if place.checks.iter().all(|predicate| predicate.holds(&mut evaluation)) {
                place.bits.iter().for_each(|bit| masks[first + *bit as usize / 64] |= 1 << (bit % 64));
                waiting.extend_from_slice(&place.waiting);
            }
        }
        unparsed || faulted.unparsed > 0
    }
}
