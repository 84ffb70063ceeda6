//! A block: some units of one event id, with a bit each in the masks of the block's fields.
//!
//! **Invariant**: once all fields of an event have narrowed the mask, the bits left are those of exactly the
//! units of which every field meets the requirement. A unit without a bit waits at one field, and is found
//! exactly if that field meets its requirement.

use std::collections::BTreeMap;

use super::{access::Shape, field_index::FieldIndex, learned::Learned, requirement::Requirements};
use crate::model::{event::Event, field::Field};

/// Some units of one event id.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Number of the unit of the first bit.
    first: u32,
    /// Bits of all units that have one.
    all: Vec<u64>,
    fields: Vec<FieldIndex>,
}

/// A block under construction.
#[derive(Debug, Default)]
pub(super) struct Builder<'f> {
    first: u32,
    bits: u32,
    fields: BTreeMap<Field, Requirements<'f>>,
}

/// Working memory of [`Block::find`].
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Meanings found of values, by the numbers that fields have.
    pub(super) learned: Vec<Learned>,
    /// Bits of the units that no field has ruled out yet.
    pub(super) mask: Vec<u64>,
    /// Units whose value has come.
    pub(super) waiting: Vec<u32>,
}

impl<'f> Builder<'f> {
    /// Begins a block; the units that get bits are numbered from `first` on.
    pub(super) fn new(first: u32) -> Self {
        Builder { first, ..Builder::default() }
    }

    /// Gives the next unit a bit.
    pub(super) fn add(&mut self, shape: &Shape<'f>) {
        for (field, conjuncts) in &shape.fields {
            let requirements = self.fields.entry(*field).or_default();
            requirements.of(conjuncts).bits.push(self.bits);
        }
        self.bits += 1;
    }

    /// Lets a unit wait at a field.
    pub(super) fn add_waiting(&mut self, shape: &Shape<'f>, at: Field, unit: u32) {
        if let Some(conjuncts) = shape.fields.get(&at) {
            let requirements = self.fields.entry(at).or_default();
            requirements.of(conjuncts).waiting.push(unit);
        }
    }

    /// Builds the block. Fields whose values are learned take memories from number `memories` on, which is
    /// advanced.
    pub(super) fn build(self, memories: &mut usize) -> Block {
        let mut all = vec![0; (self.bits as usize).div_ceil(64)];
        (0..self.bits).for_each(|bit| all[bit as usize / 64] |= 1 << (bit % 64));
        let fields = self.fields.into_iter().map(|(field, requirements)| {
            let field = FieldIndex::new(field, requirements, &all, *memories);
            *memories += usize::from(field.learns());
            field
        });
        let fields = fields.collect();
        Block { first: self.first, all, fields }
    }
}

impl Block {
    /// Calls `hit` with the units of which the event's fields meet the requirements. Returns the number of
    /// fields whose values are no numbers where one is needed.
    pub(super) fn find(&self, event: &Event<'_>, memory: &mut Memory, mut hit: impl FnMut(u32)) -> u64 {
        memory.mask.clear();
        memory.mask.extend_from_slice(&self.all);
        let mut unparsed = 0;
        for field in &self.fields {
            unparsed += u64::from(field.narrow(event, memory));
        }
        for (first, word) in (self.first..).step_by(64).zip(&memory.mask) {
            let mut bits = *word;
            while bits != 0 {
                hit(first + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        memory.waiting.drain(..).for_each(hit);
        unparsed
    }
}
