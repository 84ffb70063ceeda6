//! Search for the part of a condition that an event is folded into.
//!
//! Inlined into the loop over an event's targets, which spends most of its time here.

use super::{
    aside::Aside,
    layout::{Layout, Ordinal},
    memory::Memory,
    piece::{Hints, Piece},
    rule_state::Recording,
};
use crate::calculator::{Fields, Shape};

/// Search for the part of a condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'s> {
    pub(super) layout: &'s Layout,
    pub(super) hints: &'s Hints,
    /// Position of the rule's first part aside.
    pub(super) first: usize,
    pub(super) recording: Recording,
}

impl Search<'_> {
    /// Fields of the part, to be changed, whose fields have `shape`; they are marked as changed.
    #[inline(always)]
    pub(super) fn part_mut<'p>(
        self,
        (piece, memory, aside): (&Piece, &'p mut Memory, &'p mut Aside),
        part: Ordinal,
        shape: &'p Shape,
    ) -> Fields<'p> {
        let Memory { arena, objects, .. } = memory;
        let place = piece.find_from(arena, self.layout, (part, shape.width()), self.hints);
        let dirty = self.recording != Recording::Nothing;
        aside.changed = true;
        let words = match place {
            Some(place) => {
                if dirty {
                    piece.mark(arena, place);
                }
                piece.part_mut(arena, place)
            }
            None => {
                let found = aside.find(part, self.first);
                let at = found.unwrap_or_else(|| aside.push(part, shape.initial_words(), dirty));
                aside.part_mut(at)
            }
        };
        Fields::new(shape, words, objects)
    }
}
