//! What one field of an event means to the units of a block.

use super::{
    block::Memory,
    requirement::{Requirement, Requirements},
    steps::Steps,
    values::Values,
};
use crate::model::{event::Event, field::Field, value::Value};

/// Requirements of one field.
#[derive(Clone, Debug)]
pub(super) struct FieldIndex {
    field: Field,
    /// Bits of the units that an event without the field does not rule out.
    absent: Vec<u64>,
    /// Requirements answered by thresholds.
    steps: Option<Steps>,
    /// All others.
    values: Option<Values>,
}

impl FieldIndex {
    /// Makes the index of a field; `all` has the bits of all units. `memory` is the number of the memory in
    /// which values are learned, if they are.
    pub(super) fn new(
        field: Field,
        requirements: Requirements<'_>,
        all: &[u64],
        memory: usize,
    ) -> FieldIndex {
        let requirements = requirements.into_vec();
        let mut absent = all.to_vec();
        for requirement in requirements.iter().filter(|requirement| !requirement.is_met_by_absence()) {
            requirement.write(&mut absent, false);
        }
        // A unit that waits has to be found by its value.
        let stepped = |r: &Requirement<'_>| r.waiting.is_empty() && Steps::answer(r);
        let (steps, values): (Vec<_>, Vec<_>) = requirements.into_iter().partition(stepped);
        let free = |requirements: &[Requirement<'_>]| {
            let mut free = all.to_vec();
            requirements.iter().for_each(|requirement| requirement.write(&mut free, false));
            free
        };
        FieldIndex {
            field,
            absent,
            steps: (!steps.is_empty()).then(|| Steps::new(&steps, &free(&steps))),
            values: (!values.is_empty()).then(|| {
                let free = free(&values);
                Values::new(values, free, memory)
            }),
        }
    }

    /// Whether values of the field are learned.
    pub(super) fn learns(&self) -> bool {
        self.values.is_some()
    }

    /// Clears the bits of the units that the event's value rules out, and adds the units that waited for it.
    /// Returns whether the value is no number although one is needed.
    pub(super) fn narrow(&self, event: &Event<'_>, memory: &mut Memory) -> bool {
        let Some(value) = event.get(self.field) else {
            memory.mask.iter_mut().zip(&self.absent).for_each(|(mask, absent)| *mask &= absent);
            return false;
        };
        let steps = self.steps.as_ref().is_some_and(|steps| match value {
            Value::Nested(_) => steps.narrow_by_list(event, &mut memory.mask),
            value => steps.narrow(value, &mut memory.mask),
        });
        let values = self.values.as_ref().is_some_and(|values| values.narrow(event, value, memory));
        steps || values
    }
}
