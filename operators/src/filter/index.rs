//! The index of filters: finds all that match an event.
//!
//! Filters of one event id with equal conjuncts are one *unit*. What an event's fields mean to the units is
//! looked up per field and combined ([`block`](super::block)); what depends on several fields at once is
//! checked on the units that are left, each distinct predicate at most once per event.
//!
//! **Invariants**
//! - A unit is found exactly if [`Filter::matches`] is true for its filters, whatever was learned or
//!   forgotten.
//! - The index does not change; what a worker learns from values lies in its [`Scratch`], and counts for the
//!   index that it was learned under only.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{
    Conjunct, Faulted, Filter,
    access::{Limits, Shape, Vocabulary},
    block::{Block, Builder, Memory},
    compile::EVERY_EVENT,
    learned::{Learned, MOST_VALUES},
    predicate::{Evaluation, Predicate},
};
use crate::model::event::Event;

/// Index over filters that were compiled with the same `Fields`. Immutable; shared by threads.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// By event id.
    blocks: HashMap<Box<str>, Vec<Block>>,
    /// Those of filters on every event.
    of_every_event: Vec<Block>,
    units: Vec<Unit>,
    /// All distinct predicates that are checked on units found by their fields.
    predicates: Vec<Arc<Predicate>>,
    /// Backing store of the slices: positions of predicates and of filters.
    numbers: Vec<u32>,
    limits: Limits,
    /// Number of memories in which values are learned.
    memories: usize,
    /// Distinguishes the index from others: clones share it.
    identity: Arc<()>,
}

/// Filters of one event id with equal conjuncts, which are found as one.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Predicates that must hold besides what the fields require.
    rest: Slice,
    /// The filters, by their positions in the slice given to [`Index::build`], ascending.
    filters: Slice,
}

/// A range of the index's `numbers`. All ranges lie in one vector, since an event may touch hundreds.
#[derive(Clone, Copy, Debug)]
struct Slice {
    start: u32,
    end: u32,
}

/// Working memory of [`Index::find`], reused between events so that finding allocates nothing but what it
/// learns. May be used with several indices, one after the other; what was learned under one is forgotten
/// when the next is used.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// Units that matched the last event, each once.
    pub units: Vec<u32>,
    memory: Memory,
    /// Identity of the index for which `memory` and `answers` hold.
    index: Arc<()>,
    /// Upper bound of the values that are learned of each field.
    most_values: usize,
    /// Per predicate: stamp of the event it was last evaluated for, shifted left by one, and the result in
    /// the lowest bit.
    answers: Vec<u32>,
    stamp: u32,
    buffer: String,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch {
            units: Vec::new(),
            memory: Memory::default(),
            index: Arc::default(),
            most_values: MOST_VALUES,
            answers: Vec::new(),
            stamp: 0,
            buffer: String::new(),
        }
    }
}

impl Index {
    /// Builds the index. Results name filters by their positions in the slice.
    pub fn build(filters: &[Filter]) -> Index {
        Index::within(Limits::default(), filters)
    }

    pub(super) fn within(limits: Limits, filters: &[Filter]) -> Index {
        // By event id, then by content: filters with equal conjuncts.
        let mut groups: HashMap<&str, HashMap<Vec<&str>, Vec<u32>>> = HashMap::new();
        for (at, filter) in filters.iter().enumerate() {
            let mut content: Vec<&str> = filter.conjuncts.iter().map(|c| &*c.spelling).collect();
            content.sort_unstable();
            content.dedup();
            for id in filter.event_ids() {
                groups.entry(id).or_default().entry(content.clone()).or_default().push(at as u32);
            }
        }
        let (mut index, mut known) = (Index { limits, ..Index::default() }, HashMap::new());
        for (id, contents) in groups {
            let mut sets: Vec<Vec<u32>> = contents.into_values().collect();
            sets.sort_unstable();
            let blocks = index.blocks(filters, &sets, &mut known);
            match id {
                EVERY_EVENT => index.of_every_event = blocks,
                id => drop(index.blocks.insert(id.into(), blocks)),
            }
        }
        index
    }

    /// Builds the blocks of one event id; `sets` holds the positions of filters with equal conjuncts.
    fn blocks<'f>(
        &mut self,
        filters: &'f [Filter],
        sets: &[Vec<u32>],
        known: &mut HashMap<&'f str, u32>,
    ) -> Vec<Block> {
        let conjuncts = |set: &Vec<u32>| set.first().map_or(&[][..], |at| &*filters[*at as usize].conjuncts);
        let shapes: Vec<Shape<'_>> = sets.iter().map(|set| Shape::of(conjuncts(set))).collect();
        let mut vocabulary = Vocabulary::default();
        shapes.iter().for_each(|shape| vocabulary.add(shape));
        let units = sets
            .iter()
            .zip(&shapes)
            .map(|(set, shape)| (set, shape, vocabulary.waits_at(shape, self.limits)));
        let (waiting, masked): (Vec<_>, Vec<_>) = units.partition(|(_, _, waits_at)| waits_at.is_some());
        let mut builders = Vec::new();
        for units in masked.chunks(self.limits.most_bits) {
            let mut builder = Builder::new(self.units.len() as u32);
            for (set, shape, _) in units {
                builder.add(shape);
                self.unit(shape.rest(None), set, known);
            }
            builders.push(builder);
        }
        let mut at_values = builders.pop().unwrap_or_default();
        for (set, shape, waits_at) in waiting {
            let Some(field) = waits_at else { continue };
            at_values.add_waiting(shape, field, self.units.len() as u32);
            self.unit(shape.rest(waits_at), set, known);
        }
        builders.push(at_values);
        builders.into_iter().map(|builder| builder.build(&mut self.memories)).collect()
    }

    /// Adds a unit; the predicates of `rest` that are not `known` yet are appended to `predicates`.
    fn unit<'f>(&mut self, rest: Vec<&'f Conjunct>, filters: &[u32], known: &mut HashMap<&'f str, u32>) {
        let rest: Vec<u32> = rest
            .into_iter()
            .map(|conjunct| {
                *known.entry(&conjunct.spelling).or_insert_with(|| {
                    self.predicates.push(Arc::clone(&conjunct.predicate));
                    self.predicates.len() as u32 - 1
                })
            })
            .collect();
        let (rest, filters) = (self.slice(&rest), self.slice(filters));
        self.units.push(Unit { rest, filters });
    }

    fn slice(&mut self, numbers: &[u32]) -> Slice {
        let start = self.numbers.len() as u32;
        self.numbers.extend_from_slice(numbers);
        Slice { start, end: self.numbers.len() as u32 }
    }

    fn numbers(&self, slice: Slice) -> &[u32] {
        &self.numbers[slice.start as usize..slice.end as usize]
    }

    /// Writes all matching units into `scratch.units`.
    pub fn find(&self, event: &Event<'_>, scratch: &mut Scratch, faulted: &mut Faulted) {
        scratch.units.clear();
        let blocks = self.blocks.get(event.event_id()).map_or(&[][..], Vec::as_slice);
        if !blocks.is_empty() || !self.of_every_event.is_empty() {
            self.find_in([blocks, &self.of_every_event], event, scratch, faulted);
        }
    }

    /// Writes all matching units of these blocks into `scratch.units`.
    fn find_in(
        &self,
        blocks: [&[Block]; 2],
        event: &Event<'_>,
        scratch: &mut Scratch,
        faulted: &mut Faulted,
    ) {
        scratch.begin(self);
        let Scratch { units, memory, answers, stamp, buffer, .. } = scratch;
        let mut unparsed = 0;
        let mut evaluation = Evaluation::with_buffer(event, faulted, std::mem::take(buffer));
        for block in blocks.into_iter().flatten() {
            unparsed += block.find(event, memory, |number| {
                let holds = self.numbers(self.units[number as usize].rest).iter().all(|at| {
                    let answer = &mut answers[*at as usize];
                    if *answer >> 1 != *stamp {
                        let holds = self.predicates[*at as usize].holds(&mut evaluation);
                        *answer = *stamp << 1 | u32::from(holds);
                    }
                    *answer & 1 == 1
                });
                if holds {
                    units.push(number);
                }
            });
        }
        *buffer = evaluation.buffer;
        faulted.unparsed += unparsed;
    }

    /// The filters of a unit, ascending by their positions in the slice given to [`Index::build`].
    pub fn filters(&self, unit: u32) -> &[u32] {
        self.numbers(self.units[unit as usize].filters)
    }

    /// Number of units: filters that differ in event id or content.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether the index holds no filter.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

impl Scratch {
    /// Working memory that learns at most this many values of each field.
    #[cfg(test)]
    pub(super) fn learning(most_values: usize) -> Self {
        Scratch { most_values, ..Scratch::default() }
    }

    /// Prepares the working memory for the next event; wraps the stamp before it overflows.
    fn begin(&mut self, index: &Index) {
        if !Arc::ptr_eq(&self.index, &index.identity) {
            self.index = Arc::clone(&index.identity);
            self.memory.learned.clear();
            self.memory.learned.resize_with(index.memories, || Learned::new(self.most_values));
            self.answers.clear();
            self.answers.resize(index.predicates.len(), 0);
            self.stamp = 0;
        }
        self.stamp += 1;
        if self.stamp > u32::MAX >> 1 {
            self.answers.fill(0);
            self.stamp = 1;
        }
    }
}
