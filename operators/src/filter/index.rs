//! The index of filters: finds all that match an event.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{
    Conjunct, Faulted, Filter,
    access::{Access, ProbeCounts},
    predicate::{Evaluation, Predicate},
    table::{Builder, Table},
};
use crate::model::event::Event;

/// Index over filters that were compiled with the same `Fields`. Immutable; shared by threads.
#[derive(Clone, Debug, Default)]
pub struct Index {
    tables: HashMap<Box<str>, Table>,
    units: Vec<Unit>,
    /// All distinct predicates that are checked on candidates.
    predicates: Vec<Arc<Predicate>>,
    /// Backing store of the slices: positions of predicates and of filters.
    numbers: Vec<u32>,
    /// Number of filters the index was built from.
    filters: usize,
}

/// Filters of one event id with equal conjuncts, which are found as one.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Predicates that a candidate must satisfy besides its probes.
    rest: Slice,
    /// The filters, by their positions in the slice given to [`Index::build`].
    filters: Slice,
}

/// A range of the index's `numbers`. All ranges lie in one vector, since an event may touch hundreds.
#[derive(Clone, Copy, Debug)]
struct Slice {
    start: u32,
    end: u32,
}

/// Working memory of [`Index::find`], reused between events so that finding allocates nothing. May be used
/// with several indices, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Positions of the filters that matched the last event, ascending.
    pub matched: Vec<u32>,
    /// Stamp of the event for which each unit was last a candidate.
    seen: Vec<u32>,
    /// Per predicate: stamp of the event it was last evaluated for, shifted left by one, and the result in
    /// the lowest bit.
    answers: Vec<u32>,
    stamp: u32,
    candidates: Vec<u32>,
    buffer: String,
    /// Bitmap over filters, for sorting; all zero between calls.
    marks: Vec<u64>,
}

impl Index {
    /// Builds the index. Results name filters by their positions in the slice.
    pub fn build(filters: &[Filter]) -> Index {
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
        let (mut index, mut known) = (Index { filters: filters.len(), ..Index::default() }, HashMap::new());
        for (id, contents) in groups {
            let mut sets: Vec<Vec<u32>> = contents.into_values().collect();
            sets.sort_unstable();
            let table = index.table(filters, sets, &mut known);
            index.tables.insert(id.into(), table);
        }
        index
    }

    /// Builds the table of one event id; `sets` holds the positions of filters with equal conjuncts.
    fn table<'f>(
        &mut self,
        filters: &'f [Filter],
        sets: Vec<Vec<u32>>,
        known: &mut HashMap<&'f str, u32>,
    ) -> Table {
        let conjuncts = |set: &[u32]| set.first().map_or(&[][..], |at| &*filters[*at as usize].conjuncts);
        let mut counts = ProbeCounts::default();
        sets.iter().for_each(|set| counts.count(conjuncts(set)));
        let (mut builder, first) = (Builder::default(), self.units.len());
        for set in &sets {
            let (unit, conjuncts) = (self.units.len() as u32, conjuncts(set));
            let Access { probes, rest } = counts.access(conjuncts);
            match probes {
                None => builder.always(unit),
                Some(probes) => probes.into_iter().for_each(|probe| builder.register(probe, unit)),
            }
            let rest = self.rest(rest.into_iter().map(|at| &conjuncts[at]), known);
            let filters = self.slice(set);
            self.units.push(Unit { rest, filters });
        }
        let (table, left) = builder.build();
        for unit in left {
            let conjuncts = conjuncts(&sets[unit as usize - first]);
            self.units[unit as usize].rest = self.rest(conjuncts.iter(), known);
        }
        table
    }

    /// Positions of these predicates in `predicates`; new ones are appended.
    fn rest<'f>(
        &mut self,
        conjuncts: impl Iterator<Item = &'f Conjunct>,
        known: &mut HashMap<&'f str, u32>,
    ) -> Slice {
        let positions: Vec<u32> = conjuncts
            .map(|conjunct| {
                *known.entry(&conjunct.spelling).or_insert_with(|| {
                    self.predicates.push(Arc::clone(&conjunct.predicate));
                    self.predicates.len() as u32 - 1
                })
            })
            .collect();
        self.slice(&positions)
    }

    fn slice(&mut self, numbers: &[u32]) -> Slice {
        let start = self.numbers.len() as u32;
        self.numbers.extend_from_slice(numbers);
        Slice { start, end: self.numbers.len() as u32 }
    }

    fn numbers(&self, slice: Slice) -> &[u32] {
        &self.numbers[slice.start as usize..slice.end as usize]
    }

    /// Writes the positions of all matching filters into `scratch.matched`.
    pub fn find(&self, event: &Event<'_>, scratch: &mut Scratch, faulted: &mut Faulted) {
        scratch.matched.clear();
        let Some(table) = self.tables.get(event.event_id()) else { return };
        scratch.begin(self);
        let Scratch { matched, seen, answers, stamp, candidates, buffer, marks } = scratch;
        faulted.unparsed += table.find(event, buffer, &mut |unit| {
            let last = &mut seen[unit as usize];
            if *last != *stamp {
                *last = *stamp;
                candidates.push(unit);
            }
        });
        let mut evaluation = Evaluation { event, faulted, buffer: std::mem::take(buffer) };
        for unit in candidates.drain(..) {
            let unit = self.units[unit as usize];
            let holds = self.numbers(unit.rest).iter().all(|at| {
                let answer = &mut answers[*at as usize];
                if *answer >> 1 != *stamp {
                    *answer = *stamp << 1 | u32::from(self.predicates[*at as usize].holds(&mut evaluation));
                }
                *answer & 1 == 1
            });
            if holds {
                matched.extend_from_slice(self.numbers(unit.filters));
            }
        }
        *buffer = evaluation.buffer;
        ascending(matched, marks, self.filters);
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
    /// Prepares the working memory for the next event; wraps the stamp before it overflows.
    fn begin(&mut self, index: &Index) {
        self.candidates.clear();
        self.stamp += 1;
        if self.stamp > u32::MAX >> 1 {
            self.seen.fill(0);
            self.answers.fill(0);
            self.stamp = 1;
        }
        self.seen.resize(index.units.len().max(self.seen.len()), 0);
        self.answers.resize(index.predicates.len().max(self.answers.len()), 0);
    }
}

/// Sorts distinct numbers less than `below`: by a bitmap where they are many, else by comparison.
fn ascending(numbers: &mut Vec<u32>, marks: &mut Vec<u64>, below: usize) {
    let words = below.div_ceil(64);
    if numbers.len() < 32 || numbers.len() * 8 < words {
        numbers.sort_unstable();
        return;
    }
    marks.resize(words.max(marks.len()), 0);
    for number in numbers.drain(..) {
        marks[number as usize / 64] |= 1 << (number % 64);
    }
    for (at, word) in marks[..words].iter_mut().enumerate() {
        let mut bits = std::mem::take(word);
        while bits != 0 {
            numbers.push(at as u32 * 64 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
}
