//! Snapshots of pauses: a key's state of a rule as it stood when the current pause began.
//!
//! **Invariant**: a snapshot is made before the first change during the pause. When the pause has ended the
//! state goes on as it is or, if the pause is skipped, as the snapshot has it; then the snapshot is gone, and
//! so is the rule-level state that a rule without such state had for it.

use super::{Found, Location, Recording, RuleState};
use crate::{
    rule::plan::RulePlan,
    state::{
        aside::put_in,
        layout::{Ordinal, ordinals_of},
        piece::{Hints, New, Piece},
        rule_level::{self, PausedCopy},
    },
};

impl RuleState<'_> {
    fn snapshot(&self) -> Option<PausedCopy> {
        self.level()?.paused_copy
    }

    /// Whether there is a snapshot of a pause.
    pub fn is_paused(&self) -> bool {
        self.snapshot().is_some()
    }

    /// Number of the pause that the snapshot is of.
    pub(in crate::state) fn pause(&self) -> Option<u64> {
        self.snapshot().map(|copy| copy.pause)
    }

    /// Calls `work` with the state as it stood when the current pause began; `None` if the state has seen no
    /// pause.
    pub fn paused<T>(&mut self, work: impl FnOnce(&mut RuleState<'_>) -> T) -> Option<T> {
        let PausedCopy { mut piece, .. } = self.snapshot()?;
        let before = piece;
        let first = self.aside.parts.len();
        let changed = self.aside.changed;
        let level = Found::default();
        let mut copy = RuleState {
            piece: &mut piece,
            memory: self.memory,
            aside: self.aside,
            layout: self.layout,
            parts: self.parts,
            first,
            recording: Recording::Nothing,
            hints: self.hints,
            level: &level,
        };
        let result = work(&mut copy);
        copy.put_in();
        self.aside.changed = changed;
        if piece != before {
            self.place_snapshot(piece);
        }
        Some(result)
    }

    /// Records where the snapshot lies now.
    fn place_snapshot(&mut self, piece: Piece) {
        let number = self.level_words().map_or(0, rule_level::number);
        let copy = self.memory.level_mut(number).and_then(|level| level.paused_copy.as_mut());
        if let Some(copy) = copy {
            copy.piece = piece;
        }
    }

    /// Brings the state up to the rule's pauses: resolves a snapshot of a pause that has ended, and makes one
    /// of the current pause.
    pub fn bring_up_to(&mut self, plan: &RulePlan) {
        if let Some(copy) = self.snapshot()
            && Some(copy.pause) != plan.pause
        {
            self.change_level(|level| level.paused_copy = None);
            if plan.skipped.contains(&copy.pause) {
                self.clear();
                self.take_up(copy.piece);
            } else {
                self.memory.free(copy.piece, self.layout);
            }
        }
        if let Some(pause) = plan.pause
            && self.snapshot().is_none()
        {
            let piece = self.copied();
            self.set_snapshot(pause, piece);
        }
        if !plan.rule_level && self.is_touched() && !self.has_rule_level() {
            self.remove_rule_level();
        }
    }

    /// [Brings up](Self::bring_up_to) a state that no event concerns. Returns the instant of its next timer
    /// if it has changed.
    pub fn bring_up_idle(&mut self, plan: &RulePlan) -> Option<i64> {
        let before = self.next_deadline(plan);
        self.bring_up_to(plan);
        let after = self.next_deadline(plan);
        (after != before && after < i64::MAX).then_some(after)
    }

    /// Drops timers, and parts of the snapshot, of conditions that an edit has removed.
    pub fn drop_retired(&mut self) {
        let Some(level) = self.level() else { return };
        let copy = level.paused_copy;
        if level.armed.iter().any(|(part, _)| !self.parts.conditions.contains(part)) {
            let own = &self.parts.conditions;
            self.change_level(|level| level.armed.retain(|(part, _)| own.contains(part)));
        }
        if let Some(PausedCopy { mut piece, .. }) = copy {
            self.memory.prune(&mut piece, self.layout, false);
            self.place_snapshot(piece);
        }
    }

    /// Sets the snapshot of a pause.
    pub(in crate::state) fn set_snapshot(&mut self, pause: u64, piece: Piece) {
        self.change_level(|level| level.paused_copy = Some(PausedCopy { pause, piece }));
    }

    /// Makes a snapshot as `fill` says, which receives it empty; the state must have none.
    pub(in crate::state) fn fill_snapshot<E>(
        &mut self,
        pause: u64,
        fill: impl FnOnce(&mut RuleState<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.set_snapshot(pause, Piece::default());
        self.paused(fill).unwrap_or(Ok(()))
    }

    /// Makes a piece with copies of the rule's parts.
    pub(in crate::state) fn copied(&mut self) -> Piece {
        let first = self.aside.parts.len();
        let hints = Hints::default();
        let part = |ordinal| Some((ordinal, self.locate((ordinal, self.layout.width(ordinal)), &hints)?));
        let present: Vec<(Ordinal, Location)> = self.ordinals().filter_map(part).collect();
        for (ordinal, location) in present {
            let mut words = self.words(location).to_vec();
            self.copy_named(ordinal, &mut words);
            self.aside.push(ordinal, &words, false);
        }
        let mut piece = Piece::default();
        put_in(&mut piece, self.memory, self.layout, self.aside, first);
        piece
    }

    /// Copies what the words of a part name, so that they name the copies.
    fn copy_named(&mut self, ordinal: Ordinal, words: &mut [u64]) {
        match self.layout.shape(ordinal) {
            Some(shape) => shape.copy(words, &mut self.memory.objects),
            None => {
                let Some(mut level) = self.memory.level(rule_level::number(words)).cloned() else { return };
                if let Some(copy) = &mut level.paused_copy {
                    copy.piece = self.paused(|own| own.copied()).unwrap_or_default();
                }
                let copy = |own: &mut rule_level::RuleLevel| *own = level;
                let (number, ()) = self.memory.change_level(0, copy);
                rule_level::set_number(words, number);
            }
        }
    }

    /// Takes the parts of a snapshot as those of the state, which has none; the snapshot's memory is freed.
    fn take_up(&mut self, piece: Piece) {
        let mut all = Vec::new();
        for (chunk, bits) in piece.chunks(&self.memory.arena) {
            all.extend(ordinals_of(chunk, bits.present));
        }
        let dirty = self.recording != Recording::Nothing;
        for ordinal in all {
            let Some(place) = piece.find(&self.memory.arena, self.layout, ordinal) else { continue };
            let words = piece.part(&self.memory.arena, place);
            self.memory.conditions -= usize::from(self.layout.shape(ordinal).is_some());
            if self.ordinals().any(|own| own == ordinal) {
                let at = self.aside.push(ordinal, words, dirty);
                debug_assert!(self.aside.parts.get(at).is_some_and(|New { start, end, .. }| start < end));
            } else if let Some(shape) = self.layout.shape(ordinal) {
                shape.free(words, &mut self.memory.objects);
            }
        }
        piece.free(&mut self.memory.arena);
        self.aside.changed = true;
    }
}
