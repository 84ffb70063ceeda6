//! Memory of all keys of a worker: pieces and what their words name.
//!
//! **Invariant**: every object and every rule level is named by the words of one piece, so it is freed when
//! these words go, and the numbers in use are those that pieces name.

use slab::Slab;

use super::{
    arena::Arena,
    layout::{Layout, Ordinal, bits_of},
    piece::{Bits, Piece},
    rule_level::{self, RuleLevel},
};
use crate::calculator::Objects;

/// Pieces, objects of fields, and rule levels.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) arena: Arena,
    pub(super) objects: Objects,
    /// Rule levels, by number from 1.
    levels: Slab<RuleLevel>,
    weighs: bool,
    /// Bytes of rule levels, if they are weighed.
    level_bytes: usize,
    /// Conditions that are present in pieces, those of snapshots included.
    pub(super) conditions: usize,
}

impl Memory {
    /// Starts to weigh; to be called while there is nothing.
    pub(super) fn weigh(&mut self) {
        self.weighs = true;
        self.objects.weigh();
    }

    /// Bytes of all pieces and what they name.
    pub(super) fn bytes(&self) -> usize {
        self.arena.bytes() + self.objects.bytes() + self.level_bytes
    }

    /// Numbers of objects and of rule levels.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.objects.len(), self.levels.len())
    }

    /// Rule level of a number.
    pub(super) fn level(&self, number: u32) -> Option<&RuleLevel> {
        self.levels.get((number as usize).wrapping_sub(1))
    }

    /// Rule level of a number, to change what has no weight.
    pub(super) fn level_mut(&mut self, number: u32) -> Option<&mut RuleLevel> {
        self.levels.get_mut((number as usize).wrapping_sub(1))
    }

    /// Changes the rule level of a number, or a new one if the number is 0. Returns the number from now on: 0
    /// if nothing is left.
    pub(super) fn change_level<T>(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut RuleLevel) -> T,
    ) -> (u32, T) {
        let index = match number {
            0 => self.levels.insert(RuleLevel::default()),
            number => number as usize - 1,
        };
        let level = &mut self.levels[index];
        self.level_bytes -= if self.weighs && number != 0 { level.weight() } else { 0 };
        let changed = change(level);
        if level.is_empty() {
            self.levels.remove(index);
            return (0, changed);
        }
        self.level_bytes += if self.weighs { level.weight() } else { 0 };
        (index as u32 + 1, changed)
    }

    /// Frees the rule level of a number, with its snapshot.
    pub(super) fn free_level(&mut self, number: u32, layout: &Layout) {
        let Some(level) = self.levels.try_remove((number as usize).wrapping_sub(1)) else { return };
        self.level_bytes -= if self.weighs { level.weight() } else { 0 };
        if let Some(copy) = level.paused_copy {
            self.free(copy.piece, layout);
        }
    }

    /// Changes the bits of a piece's chunks, see [`Piece::change_chunks`]; frees what is taken out.
    pub(super) fn change(
        &mut self,
        piece: &mut Piece,
        layout: &Layout,
        change: impl FnMut(u32, Bits) -> Bits,
    ) {
        let Memory { arena, objects, conditions, .. } = self;
        let mut gone = Vec::new();
        piece.change_chunks(arena, layout, change, |ordinal, words| match layout.shape(ordinal) {
            Some(shape) => {
                shape.free(words, objects);
                *conditions -= 1;
            }
            None => gone.push(rule_level::number(words)),
        });
        gone.into_iter().for_each(|number| self.free_level(number, layout));
    }

    /// Drops the parts of a piece that stand for nothing: those of rules that have left the book, and
    /// conditions that have come back to their first values. The former have no names any more; of the latter
    /// a checkpoint has deleted what is clean, and has yet to delete what is dirty, if it has `stored` any.
    pub(super) fn prune(&mut self, piece: &mut Piece, layout: &Layout, stored: bool) {
        let first = |(ordinal, words): &(Ordinal, &[u64])| {
            layout.shape(*ordinal).is_some_and(|shape| shape.is_initial(words, &self.objects))
        };
        let parts = piece.parts(&self.arena, layout).filter(first);
        let gone: Vec<Ordinal> = parts.map(|(ordinal, _)| ordinal).collect();
        let retired = |(chunk, bits): (u32, Bits)| (bits.present | bits.dirty) & !layout.live(chunk) != 0;
        if gone.is_empty() && !piece.chunks(&self.arena).any(retired) {
            return;
        }
        self.change(piece, layout, |chunk, Bits { present, dirty }| {
            let (live, gone) = (layout.live(chunk), bits_of(gone.iter().copied(), chunk));
            Bits { present: present & live & !gone, dirty: dirty & live & if stored { !0 } else { !gone } }
        });
    }

    /// Frees a piece with all that it names.
    pub(super) fn free(&mut self, mut piece: Piece, layout: &Layout) {
        self.change(&mut piece, layout, |_, _| Bits::default());
    }
}
