//! A key of which the state is read or changed.

use super::{
    aside::{Aside, put_in},
    layout::{Layout, PartOf, RuleParts, ordinals_of},
    memory::Memory,
    piece::{Bits, Hints, Piece},
    rule_level::{self, RuleLevel},
    rule_state::{Found, Recording, RuleState},
    walk::Walk,
};

/// A key that the [`Store`](super::Store) has opened.
#[derive(Debug)]
pub struct OpenKey<'s> {
    pub(super) key: &'s str,
    pub(super) piece: &'s mut Piece,
    pub(super) memory: &'s mut Memory,
    pub(super) layout: &'s Layout,
    pub(super) aside: &'s mut Aside,
    pub(super) recording: Recording,
    pub(super) stored: &'s mut bool,
    /// The store's number of keys of which only removals are left to be saved, without this one.
    pub(super) leaving: &'s mut usize,
    /// Where parts of the key were found last.
    pub(super) hints: Hints,
    /// Where the rule-level state of the rule asked for last is.
    pub(super) level: Found,
}

/// A part that a checkpoint has yet to write, or to delete if it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsavedPart {
    /// The part.
    pub of: PartOf,
    /// Whether it is there.
    pub present: bool,
}

impl<'s> OpenKey<'s> {
    /// The key's text.
    pub fn key(&self) -> &'s str {
        self.key
    }

    /// Whether anything has been changed since the key was opened.
    pub fn is_changed(&self) -> bool {
        self.aside.changed
    }

    /// Number of parts that were made since the key was opened.
    fn made(&self) -> usize {
        self.aside.parts.len()
    }

    /// State of a rule with these parts. A rule may be asked for once, until [`put_in`](Self::put_in).
    #[inline]
    pub fn rule<'a>(&'a mut self, parts: &'a RuleParts) -> RuleState<'a> {
        let first = self.made();
        self.level.set(None);
        RuleState {
            piece: self.piece,
            memory: self.memory,
            aside: self.aside,
            layout: self.layout,
            parts,
            first,
            recording: self.recording,
            hints: &self.hints,
            level: &self.level,
        }
    }

    /// Begins a walk over conditions that are to be changed; to be called before any other part is made.
    #[inline]
    pub fn walk(&mut self) -> Walk<'_> {
        let OpenKey { piece, memory, aside, layout, recording, .. } = self;
        let Memory { arena, objects, .. } = memory;
        let records = *recording != Recording::Nothing;
        aside.changed = true;
        Walk { pass: piece.pass(arena, records), objects, aside, layout, records }
    }

    /// Calls `work` with a copy of the state of a rule with these parts; the key's own does not change.
    pub fn copy_of<T>(&mut self, parts: &RuleParts, work: impl FnOnce(&mut RuleState<'_>) -> T) -> T {
        let mut piece = self.rule(parts).copied();
        let first = self.aside.parts.len();
        let OpenKey { memory, layout, aside, hints, .. } = self;
        let (recording, level) = (Recording::Nothing, &Found::default());
        let mut state =
            RuleState { piece: &mut piece, memory, aside, layout, parts, first, recording, hints, level };
        let result = work(&mut state);
        state.put_in();
        memory.free(piece, layout);
        result
    }

    /// State of a rule with these parts, to be filled with what checkpoints contain.
    pub fn restored<'a>(&'a mut self, parts: &'a RuleParts) -> RuleState<'a> {
        *self.stored = true;
        RuleState { recording: Recording::Nothing, ..self.rule(parts) }
    }

    /// Appends the positions of rules in the book that have rule-level state, and of which the key has any
    /// state.
    pub fn rules_with_level(&self, rules: &mut Vec<u32>) {
        for (chunk, Bits { present, .. }) in self.piece.chunks(&self.memory.arena) {
            let mask = present & self.layout.live(chunk) & self.layout.levels(chunk);
            rules.extend(self.parts(chunk, mask).map(|part| part.rule));
        }
        rules.sort_unstable();
        rules.dedup();
    }

    /// Appends the positions of rules in the book that may have a timer, in no order: those with an armed one,
    /// with a snapshot of a pause, or to be judged at their publish.
    pub fn rules_with_timers(&self, rules: &mut Vec<u32>) {
        let (layout, memory) = (self.layout, &self.memory);
        let levels = self.piece.parts_among(&memory.arena, layout, |chunk| layout.own_levels(chunk));
        let waiting = levels.filter(|(_, words)| {
            rule_level::is_judged_at_publish(words)
                || memory.level(rule_level::number(words)).is_some_and(RuleLevel::may_wait)
        });
        rules.extend(waiting.filter_map(|(ordinal, _)| Some(layout.of(ordinal)?.rule)));
    }

    /// Appends the positions of all rules in the book of which the key has any state, ascending.
    pub fn rules(&self, rules: &mut Vec<u32>) {
        for (chunk, Bits { present, .. }) in self.piece.chunks(&self.memory.arena) {
            rules.extend(self.parts(chunk, present & self.layout.live(chunk)).map(|part| part.rule));
        }
        rules.sort_unstable();
        rules.dedup();
    }

    /// Parts of a chunk that are of rules in the book.
    fn parts(&self, chunk: u32, mask: u64) -> impl Iterator<Item = PartOf> {
        ordinals_of(chunk, mask).filter_map(|ordinal| self.layout.of(ordinal))
    }

    /// Drops the parts that stand for nothing: those of rules that have left the book, and conditions that
    /// have come back to their first values.
    pub fn prune(&mut self) {
        self.memory.prune(self.piece, self.layout, self.recording == Recording::Removals);
    }

    /// Closes the key: puts in what was made since it was opened. Returns whether anything has changed.
    #[inline]
    pub fn close(mut self) -> bool {
        self.put_in();
        *self.leaving += usize::from(self.piece.is_leaving());
        self.aside.changed
    }

    /// Puts in what was made since the key was opened; after this every rule may be asked for again.
    pub fn put_in(&mut self) {
        put_in(self.piece, self.memory, self.layout, self.aside, 0);
    }

    /// Whether a checkpoint has yet to write anything.
    pub fn is_dirty(&self) -> bool {
        self.piece.chunks(&self.memory.arena).any(|(_, bits)| bits.dirty != 0)
    }

    /// Appends what a checkpoint has yet to write of rules in the book. Parts made since the key was opened
    /// are not among them.
    pub fn unsaved(&self, all: &mut Vec<UnsavedPart>) {
        for (chunk, Bits { present, dirty }) in self.piece.chunks(&self.memory.arena) {
            let dirty = dirty & self.layout.live(chunk);
            all.extend(self.parts(chunk, dirty & present).map(|of| UnsavedPart { of, present: true }));
            all.extend(self.parts(chunk, dirty & !present).map(|of| UnsavedPart { of, present: false }));
        }
    }

    /// Records that a checkpoint contains the whole state.
    pub fn set_saved(&mut self) {
        self.memory.change(self.piece, self.layout, |_, bits| Bits { dirty: 0, ..bits });
        *self.stored = !self.piece.is_empty();
    }
}
