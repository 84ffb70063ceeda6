//! State of one rule for one key, changed in its place.
//!
//! A view of the key's piece through the rule's parts. Its representation is private to this folder:
//! operators see a condition's state as [`Fields`], and everything else through methods.
//!
//! **Invariants**
//! - A part is present if something was folded into it; an absent one reads as its first value.
//! - Whatever is changed is marked as changed since the last checkpoint, where checkpoints are taken.
//! - A condition that is [known](Known) to be met, or not to be, is so until its fields are changed: who
//!   changes them records it anew, or it is forgotten. Checkpoints do not contain it.
//!
//! - `fresh`: whether there is anything to be kept or written
//! - `level`: rule-level state: touch, edge, limit, timers
//! - `pause`: snapshots of pauses

mod fresh;
mod level;
mod pause;

use std::cell::Cell;

use super::{
    aside::{Aside, put_in},
    layout::{LEVEL_WIDTH, Layout, Ordinal, RuleParts, bits_of},
    memory::Memory,
    piece::{Bits, Hints, New, Piece, Place},
};
use crate::{
    calculator::{Fields, Shape, Slots},
    rule::{plan::RulePlan, verdict::Known},
};

/// State of a rule for a key.
#[derive(Debug)]
pub struct RuleState<'s> {
    pub(super) piece: &'s mut Piece,
    pub(super) memory: &'s mut Memory,
    pub(super) aside: &'s mut Aside,
    pub(super) layout: &'s Layout,
    pub(super) parts: &'s RuleParts,
    /// Position of the rule's first part aside.
    pub(super) first: usize,
    /// Records of changes that checkpoints need.
    pub(super) recording: Recording,
    pub(super) hints: &'s Hints,
    /// Where the rule-level state is.
    pub(super) level: &'s Found,
}

/// Where the rule-level state is, if it was looked for: several questions about it are asked at each event.
/// Forgotten when words are taken out, by which parts move.
pub(super) type Found = Cell<Option<Option<Location>>>;

/// Records of a key's changes that checkpoints need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    /// Nothing: none are taken, or the state is a snapshot.
    Nothing,
    /// Changes; they have nothing of the key yet.
    Changes,
    /// Changes and removals.
    Removals,
}

/// Where a part is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Location {
    Piece(Place),
    Aside(usize),
}

impl RuleState<'_> {
    /// The same state, for the time of a call.
    pub fn lent(&mut self) -> RuleState<'_> {
        RuleState {
            piece: self.piece,
            memory: self.memory,
            aside: self.aside,
            layout: self.layout,
            parts: self.parts,
            first: self.first,
            recording: self.recording,
            hints: self.hints,
            level: self.level,
        }
    }

    /// Where a part of `width` words is.
    #[inline(always)]
    fn locate(&self, (ordinal, width): (Ordinal, usize), hints: &Hints) -> Option<Location> {
        let place = self.piece.find_from(&self.memory.arena, self.layout, (ordinal, width), hints);
        match place {
            Some(place) => Some(Location::Piece(place)),
            None => self.aside.find(ordinal, self.first).map(Location::Aside),
        }
    }

    /// Where a condition's part is.
    #[inline(always)]
    fn locate_condition(&self, part: Ordinal, shape: &Shape) -> Option<Location> {
        self.locate((part, shape.width()), self.hints)
    }

    /// Where the rule-level state is.
    #[inline(always)]
    fn locate_level(&self) -> Option<Location> {
        self.level.get().unwrap_or_else(|| {
            let location = self.locate((self.parts.level, LEVEL_WIDTH), self.hints);
            self.level.set(Some(location));
            location
        })
    }

    #[inline(always)]
    fn words(&self, location: Location) -> &[u64] {
        match location {
            Location::Piece(place) => self.piece.part(&self.memory.arena, place),
            Location::Aside(at) => self.aside.part(at),
        }
    }

    /// Marks a part that is about to be changed, found at `location`; an absent one begins with the words
    /// `first`.
    #[inline(always)]
    fn change_at(&mut self, location: Option<Location>, ordinal: Ordinal, first: &[u64]) -> Location {
        let dirty = self.recording != Recording::Nothing;
        self.aside.changed = true;
        match location {
            Some(Location::Piece(place)) => {
                if dirty {
                    self.piece.mark(&mut self.memory.arena, place);
                }
                Location::Piece(place)
            }
            Some(Location::Aside(at)) => Location::Aside(at),
            None => Location::Aside(self.aside.push(ordinal, first, dirty)),
        }
    }

    /// All ordinals of the rule.
    fn ordinals(&self) -> impl Iterator<Item = Ordinal> {
        self.parts.conditions.iter().copied().chain([self.parts.level])
    }

    /// Removes the whole state, which begins anew.
    pub fn clear(&mut self) {
        self.remove(&self.parts.conditions, true);
    }

    /// Removes the rule-level state, the time of the last touch included.
    pub fn remove_rule_level(&mut self) {
        self.remove(&[], true);
    }

    /// Removes conditions, and the rule-level state if `level`.
    fn remove(&mut self, conditions: &[Ordinal], level: bool) {
        self.level.set(None);
        let RuleState { piece, memory, aside, layout, parts, first, recording, .. } = self;
        let level = level.then_some(parts.level);
        for at in (*first..aside.parts.len()).rev() {
            let New { ordinal, start, end, .. } = aside.parts[at];
            if level != Some(ordinal) && !conditions.contains(&ordinal) {
                continue;
            }
            let words = &aside.words[start as usize..end as usize];
            match layout.shape(ordinal) {
                Some(shape) => shape.free(words, &mut memory.objects),
                None => memory.free_level(super::rule_level::number(words), layout),
            }
            aside.parts[at].end = start;
        }
        aside.parts.retain(|part| part.start < part.end);
        // Most states that are removed were made just now, and a piece may have hundreds of chunks.
        let mut gone = conditions.iter().copied().chain(level);
        if !gone.any(|part| piece.find(&memory.arena, layout, part).is_some()) {
            return;
        }
        memory.change(piece, layout, |chunk, Bits { present, dirty }| {
            let gone = bits_of(conditions.iter().copied().chain(level), chunk) & present;
            let dirty = match recording {
                Recording::Removals => dirty | gone,
                Recording::Changes | Recording::Nothing => dirty & !gone,
            };
            Bits { present: present & !gone, dirty }
        });
        aside.changed = true;
    }

    /// Puts parts that lie aside into the piece; those that equal first values are dropped.
    pub(super) fn put_in(&mut self) {
        put_in(self.piece, self.memory, self.layout, self.aside, self.first);
    }
}

/// Fields of conditions.
impl RuleState<'_> {
    /// Fields of a condition, to be read.
    pub fn fields<'p>(&'p mut self, plan: &'p RulePlan, condition: usize) -> Fields<'p> {
        self.part(condition, plan.conditions[condition].program.shape())
    }

    /// [Fields](Self::fields) of a condition, whose fields have `shape`.
    #[inline(always)]
    pub fn part<'p>(&'p mut self, condition: usize, shape: &'p Shape) -> Fields<'p> {
        let words = match self.locate_condition(self.parts.conditions[condition], shape) {
            Some(Location::Piece(place)) => self.piece.part_mut(&mut self.memory.arena, place),
            Some(Location::Aside(at)) => self.aside.part_mut(at),
            None => {
                self.aside.spare.clear();
                self.aside.spare.extend_from_slice(shape.initial_words());
                &mut self.aside.spare[..]
            }
        };
        Fields::new(shape, words, &mut self.memory.objects)
    }

    /// Fields of a condition, to be changed by its calculator; they are marked as changed. It is forgotten
    /// whether the condition is met.
    pub fn fields_mut<'p>(&'p mut self, plan: &'p RulePlan, condition: usize) -> Fields<'p> {
        self.forget_met(|known| known.forget(condition));
        self.part_mut(self.parts.conditions[condition], plan.conditions[condition].program.shape())
    }

    /// [Fields](Self::fields_mut) of the condition with this part, whose fields have `shape`. The caller
    /// records anew whether the condition is met, if that is recorded.
    #[inline(always)]
    pub fn part_mut<'p>(&'p mut self, part: Ordinal, shape: &'p Shape) -> Fields<'p> {
        let location = self.locate_condition(part, shape);
        let words = match self.change_at(location, part, shape.initial_words()) {
            Location::Piece(place) => self.piece.part_mut(&mut self.memory.arena, place),
            Location::Aside(at) => self.aside.part_mut(at),
        };
        Fields::new(shape, words, &mut self.memory.objects)
    }

    /// Deadline in a condition's timer field, unix ms; `None` if the script has no timer or has not set it.
    pub fn timer(&mut self, plan: &RulePlan, condition: usize) -> Option<i64> {
        let slot = plan.conditions[condition].program.timer()?;
        let deadline = self.fields(plan, condition).word(slot as u8);
        (deadline >= 0).then_some(deadline)
    }

    /// Clears a condition's timer field; its armed timer stays.
    pub fn clear_timer(&mut self, of: &RulePlan, condition: usize) {
        if let Some(slot) = of.conditions[condition].program.timer() {
            self.fields_mut(of, condition).set_word(slot as u8, -1);
        }
    }

    /// Resets all conditions: first values, no timers. The rest of the rule-level state stays.
    pub fn reset_conditions(&mut self) {
        self.forget_met(|known| *known = Known::default());
        self.remove(&self.parts.conditions, false);
        if self.level().is_some() {
            self.change_level(|level| level.armed.clear());
        }
    }

    /// Number of the condition of an ordinal; `None` if the rule has it no more.
    fn condition(&self, ordinal: Ordinal) -> Option<usize> {
        self.parts.conditions.iter().position(|own| *own == ordinal)
    }
}

#[cfg(test)]
#[path = "rule_state_tests.rs"]
mod tests;
