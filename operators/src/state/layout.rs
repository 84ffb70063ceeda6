//! Layout: the numbers that the parts of rules' states have in the pieces of one `key_by`, and their widths.
//!
//! A part is a condition's fields or a rule's rule-level state. Its number, the *ordinal*, belongs to its
//! identity: a condition that folds as before keeps it through every edit of its rule, so no key is touched
//! by an edit; one that begins anew has another ordinal, under which no key has anything.
//!
//! Parts that are new together are numbered by the first event that they are about, and then by their kind: an
//! event folds into conditions that it matches, so these lie close to each other, and alike ones one after
//! another. Rule-level states follow.
//!
//! **Invariants**
//! - Ordinals never leave the worker: records and checkpoints name parts otherwise. So workers need not agree
//!   on them.
//! - An ordinal has one width and one shape until it is used again, and that is only after the sweep has
//!   visited every key since the part was [retired](Layout::install). So no piece holds words of a former
//!   use.

use std::{cmp::Ordering, sync::Arc};

use hashbrown::{HashMap, HashSet};

use super::piece::REGIONS;
use crate::{
    calculator::Shape,
    filter::Filter,
    rule::{identity::Identity, plan::RulePlan},
};

/// Number of a part in the pieces of a `key_by`.
pub type Ordinal = u32;

/// Ordinals per directory entry of a piece.
pub(super) const PER_CHUNK: u32 = 64;

/// Words of rule-level state.
pub(super) const LEVEL_WIDTH: usize = 3;

/// Bits of a width. A script has at most 65 fields of five words.
const PLANES: usize = 9;

/// Bits of a width that have their place in every chunk.
const LOW: usize = 3;

/// Ordinals of a rule's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleParts {
    /// Ordinal of each condition.
    pub conditions: Box<[Ordinal]>,
    /// Ordinal of the rule-level state.
    pub level: Ordinal,
}

impl RuleParts {
    fn ordinal_mut(&mut self, of: PartOf) -> &mut Ordinal {
        match of.condition {
            Some(condition) => &mut self.conditions[usize::from(condition)],
            None => &mut self.level,
        }
    }
}

/// The rule to which a part belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// Position of the rule in the book.
    pub rule: u32,
    /// Position of the condition; `None` for rule-level state.
    pub condition: Option<u16>,
}

/// A part.
#[derive(Clone, Debug)]
struct Part {
    of: PartOf,
    /// Whether it is rule-level state, or its rule makes such state.
    level: bool,
    width: usize,
    /// Shape of a condition's fields.
    shape: Option<Arc<Shape>>,
}

/// A part that is to have an ordinal.
struct Wanted<'p> {
    known: Known,
    part: Part,
    /// First event that a condition is about.
    event: Option<&'p Filter>,
}

impl Wanted<'_> {
    /// Order in which new parts get their ordinals.
    fn order(&self, other: &Self) -> Ordering {
        let fields = |wanted: &Self| wanted.part.shape.as_deref().map(|shape| (shape.width(), shape.len()));
        let (level, of_other) = (self.part.of.condition.is_none(), other.part.of.condition.is_none());
        level
            .cmp(&of_other)
            .then_with(|| match (self.event, other.event) {
                (Some(own), Some(event)) => own.order(event),
                (own, event) => own.is_some().cmp(&event.is_some()),
            })
            .then_with(|| fields(self).cmp(&fields(other)))
    }
}

/// Widths of 64 parts: bit k of each width in plane k. Few are longer than the low planes tell.
#[derive(Clone, Debug, Default)]
struct Widths {
    low: [u64; LOW],
    high: Option<Box<[u64; PLANES - LOW]>>,
}

impl Widths {
    fn set(&mut self, bit: u64, width: usize) {
        if width >> LOW != 0 {
            self.high.get_or_insert_default();
        }
        let high = self.high.iter_mut().flat_map(|high| high.iter_mut());
        for (k, plane) in self.low.iter_mut().chain(high).enumerate() {
            *plane = if width >> k & 1 == 1 { *plane | bit } else { *plane & !bit };
        }
    }

    /// Words of the parts that `mask` names.
    #[inline(always)]
    fn sum(&self, mask: u64) -> usize {
        let words = |planes: &[u64]| {
            let words =
                planes.iter().enumerate().map(|(k, plane)| ((mask & plane).count_ones() as usize) << k);
            words.sum::<usize>()
        };
        words(&self.low) + self.high.as_ref().map_or(0, |high| words(&high[..]) << LOW)
    }
}

/// 64 parts.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// Parts of rules in the book.
    live: u64,
    /// Rule-level states, and the conditions of rules that make such state.
    levels: u64,
    /// Rule-level states.
    own: u64,
}

impl Chunk {
    fn set_level(&mut self, bit: u64, level: bool) {
        self.levels = if level { self.levels | bit } else { self.levels & !bit };
    }
}

/// Slot and identity of a part, which are the same in all versions of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Known {
    Condition(u32, Identity),
    Level(u32, u64),
}

/// Ordinals of one `key_by`.
#[derive(Debug, Default)]
pub struct Layout {
    parts: Vec<Part>,
    chunks: Vec<Chunk>,
    /// Widths of the parts of each chunk.
    widths: Vec<Widths>,
    ordinals: HashMap<Known, Ordinal>,
    /// Retired ordinals, with the round of the sweep in which each was.
    retired: Vec<(Ordinal, u64)>,
    free: Vec<Ordinal>,
    /// Bits by which an ordinal is shifted to give its region.
    shift: u32,
}

impl Layout {
    /// Switches to these rules, given with their positions in the book; returns their parts. Ordinals retired
    /// two rounds of the sweep before `round` are free: in between every key has been visited.
    pub fn install<'r>(
        &mut self,
        rules: impl Iterator<Item = (u32, &'r RulePlan)>,
        round: u64,
    ) -> Vec<(u32, RuleParts)> {
        self.retired.retain(|(ordinal, since)| {
            let swept = round >= since.saturating_add(2);
            if swept {
                self.free.push(*ordinal);
            }
            !swept
        });
        let mut former = std::mem::take(&mut self.ordinals);
        let (mut all, mut new) = (Vec::new(), Vec::new());
        for (rule, plan) in rules {
            let mut parts =
                RuleParts { conditions: vec![0; plan.conditions.len()].into(), level: Ordinal::default() };
            for wanted in wanted(plan, rule) {
                match former.remove(&wanted.known) {
                    Some(ordinal) => {
                        *parts.ordinal_mut(wanted.part.of) = ordinal;
                        self.renew(ordinal, wanted);
                    }
                    None => new.push((all.len(), wanted)),
                }
            }
            all.push((rule, parts));
        }
        // The sort is stable, so parts that are alike ascend by rule and condition.
        new.sort_by(|(_, a), (_, b)| a.order(b));
        for (at, wanted) in new {
            let of = wanted.part.of;
            *all[at].1.ordinal_mut(of) = self.place(wanted);
        }
        let left: HashSet<Ordinal> = former.into_values().collect();
        for ordinal in left {
            let (chunk, bit) = split(ordinal);
            self.chunks[chunk].live &= !bit;
            self.retired.push((ordinal, round));
        }
        all
    }

    /// Lets a part that is there keep its ordinal.
    fn renew(&mut self, ordinal: Ordinal, Wanted { known, part, .. }: Wanted<'_>) {
        let (chunk, bit) = split(ordinal);
        self.chunks[chunk].set_level(bit, part.level);
        self.parts[ordinal as usize] = part;
        self.ordinals.insert(known, ordinal);
    }

    /// Gives a new part an ordinal.
    fn place(&mut self, Wanted { known, part, .. }: Wanted<'_>) -> Ordinal {
        let ordinal = match self.free.pop() {
            Some(ordinal) => ordinal,
            None => self.parts.len() as Ordinal,
        };
        let (place, bit) = split(ordinal);
        self.chunks.resize(self.chunks.len().max(place + 1), Chunk::default());
        self.widths.resize_with(self.chunks.len(), Widths::default);
        self.shift = PER_CHUNK.ilog2() + (self.chunks.len().div_ceil(REGIONS)).next_power_of_two().ilog2();
        let chunk = &mut self.chunks[place];
        chunk.live |= bit;
        chunk.own = if part.of.condition.is_none() { chunk.own | bit } else { chunk.own & !bit };
        chunk.set_level(bit, part.level);
        self.widths[place].set(bit, part.width);
        match self.parts.get_mut(ordinal as usize) {
            Some(place) => *place = part,
            None => self.parts.push(part),
        }
        self.ordinals.insert(known, ordinal);
        ordinal
    }

    /// Region of an ordinal, see [`Hints`](super::piece::Hints): one of [`REGIONS`] of about equal size.
    #[inline(always)]
    pub(super) fn region(&self, ordinal: Ordinal) -> usize {
        (ordinal >> self.shift) as usize
    }

    /// Words of a part.
    pub(super) fn width(&self, ordinal: Ordinal) -> usize {
        self.parts[ordinal as usize].width
    }

    /// Shape of a condition's fields; `None` for rule-level state.
    pub(super) fn shape(&self, ordinal: Ordinal) -> Option<&Shape> {
        self.parts[ordinal as usize].shape.as_deref()
    }

    /// The rule to which a part belongs; `None` once it is retired.
    pub fn of(&self, ordinal: Ordinal) -> Option<PartOf> {
        let (chunk, bit) = split(ordinal);
        (self.chunks[chunk].live & bit != 0).then(|| self.parts[ordinal as usize].of)
    }

    /// Parts of a chunk that belong to rules in the book.
    pub(super) fn live(&self, chunk: u32) -> u64 {
        self.chunks[chunk as usize].live
    }

    /// Parts of a chunk that are rule-level state, or belong to rules that make such state.
    pub(super) fn levels(&self, chunk: u32) -> u64 {
        self.chunks[chunk as usize].levels
    }

    /// Parts of a chunk that are rule-level state of rules in the book.
    pub(super) fn own_levels(&self, chunk: u32) -> u64 {
        let Chunk { live, own, .. } = self.chunks[chunk as usize];
        live & own
    }

    /// Words of the parts of a chunk that `mask` names.
    #[inline(always)]
    pub(super) fn words(&self, chunk: u32, mask: u64) -> usize {
        self.widths[chunk as usize].sum(mask)
    }
}

/// The parts of a rule at position `rule` of the book.
fn wanted(plan: &RulePlan, rule: u32) -> impl Iterator<Item = Wanted<'_>> {
    let conditions = plan.identities.conditions.iter().zip(&plan.conditions).enumerate();
    let conditions = conditions.map(move |(c, (identity, condition))| {
        let of = PartOf { rule, condition: Some(c as u16) };
        let shape = Some(Arc::clone(condition.program.shape()));
        Wanted {
            known: Known::Condition(plan.slot, *identity),
            part: Part { of, level: plan.rule_level, width: condition.program.shape().width(), shape },
            event: condition.filters.first(),
        }
    });
    let of = PartOf { rule, condition: None };
    let known = Known::Level(plan.slot, plan.identities.rule);
    let level = Part { of, level: true, width: LEVEL_WIDTH, shape: None };
    conditions.chain([Wanted { known, part: level, event: None }])
}

/// Chunk of an ordinal, and its bit there.
#[inline]
pub(super) fn split(ordinal: Ordinal) -> (usize, u64) {
    ((ordinal / PER_CHUNK) as usize, 1 << (ordinal % PER_CHUNK))
}

/// Bits of the ordinals that lie in a chunk.
pub(super) fn bits_of(ordinals: impl Iterator<Item = Ordinal>, chunk: u32) -> u64 {
    let own = ordinals.filter(|ordinal| ordinal / PER_CHUNK == chunk);
    own.fold(0, |bits, ordinal| bits | 1 << (ordinal % PER_CHUNK))
}

/// Ordinals of bits of a chunk, ascending.
pub(super) fn ordinals_of(chunk: u32, mut bits: u64) -> impl Iterator<Item = Ordinal> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(chunk * PER_CHUNK + bit)
    })
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
