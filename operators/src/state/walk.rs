//! Walk: one pass over a key's piece, for conditions into which an event is folded in the order of their parts.
//!
//! **Invariants**
//! - Parts are asked for in ascending order; one may be asked for several times in a row.
//! - Parts that are not there are made aside. Nothing else is there before the walk, so these ascend too.

use super::{
    aside::Aside,
    layout::{Layout, Ordinal},
    piece::Pass,
};
use crate::calculator::{Fields, Objects, Shape};

/// A pass over the piece of a key that is open.
#[derive(Debug)]
pub struct Walk<'w> {
    pub(super) pass: Pass<'w>,
    pub(super) objects: &'w mut Objects,
    pub(super) aside: &'w mut Aside,
    pub(super) layout: &'w Layout,
    /// Whether changes are recorded for checkpoints.
    pub(super) records: bool,
}

/// Where a part is: its first word in the piece, if it is there.
#[derive(Clone, Copy, Debug)]
pub struct WalkPlace(Option<usize>);

impl Walk<'_> {
    /// Goes on to a part; returns where it is.
    #[inline(always)]
    pub fn place(&mut self, part: Ordinal) -> WalkPlace {
        WalkPlace(self.pass.find(self.layout, part))
    }

    /// Words of the part at a place, whose fields have `shape`.
    #[inline(always)]
    pub fn words<'p>(&'p self, WalkPlace(start): WalkPlace, part: Ordinal, shape: &'p Shape) -> &'p [u64] {
        match start {
            Some(start) => self.pass.words(start),
            None => self.aside.last(part).unwrap_or(shape.initial_words()),
        }
    }

    /// Fields of the part at a place, which have `shape`, to be changed; they are marked as changed.
    #[inline(always)]
    pub fn fields<'p>(
        &'p mut self,
        WalkPlace(start): WalkPlace,
        part: Ordinal,
        shape: &'p Shape,
    ) -> Fields<'p> {
        let Walk { pass, objects, aside, records, .. } = self;
        let words = match start {
            Some(start) => pass.change(part, start, shape.width()),
            None => aside.last_or_new(part, shape.initial_words(), *records),
        };
        Fields::new(shape, words, objects)
    }

    /// Takes back the part asked for last, whose fields have `shape`, if it was made and has its first values.
    #[inline]
    pub fn take_back(&mut self, part: Ordinal, shape: &Shape) {
        if self.aside.last(part).is_some() {
            self.aside.take_back(shape.initial_words());
        }
    }
}
