//! Whether a state has anything to be kept, or to be written by a checkpoint.

use super::{Location, RuleState};
use crate::{
    rule::plan::RulePlan,
    state::layout::{Ordinal, PER_CHUNK},
};

impl RuleState<'_> {
    /// Whether the key has no state of the rule.
    #[cfg(test)]
    pub(crate) fn is_absent(&self) -> bool {
        self.aside.parts.len() == self.first
            && self.ordinals().all(|o| self.piece.find(&self.memory.arena, self.layout, o).is_none())
    }

    /// Whether the state equals that of a key for which nothing was folded.
    pub fn is_fresh(&self, plan: &RulePlan) -> bool {
        !self.has_rule_level() && (0..plan.conditions.len()).all(|c| self.is_first(plan, c))
    }

    /// Whether a condition's fields have their first values.
    pub fn is_first(&self, plan: &RulePlan, condition: usize) -> bool {
        let shape = plan.conditions[condition].program.shape();
        let location = self.locate_condition(self.parts.conditions[condition], shape);
        location.is_none_or(|location| shape.is_initial(self.words(location), &self.memory.objects))
    }

    /// Whether nothing of the state was there before the key was opened, and what was made since has first
    /// values; so nothing is left of it when the key is closed.
    pub fn leaves_nothing(&self) -> bool {
        let is_first = |part: &Ordinal| match self.locate((*part, 1), self.hints) {
            None => true,
            Some(Location::Piece(_)) => false,
            Some(Location::Aside(at)) => {
                let shape = self.layout.shape(*part);
                shape.is_none_or(|shape| shape.is_initial(self.aside.part(at), &self.memory.objects))
            }
        };
        self.locate_level().is_none() && self.parts.conditions.iter().all(is_first)
    }

    /// Whether a checkpoint has yet to write a part of the state.
    pub fn is_dirty(&self) -> bool {
        let dirty = |ordinal: Ordinal| {
            if let Some(at) = self.aside.find(ordinal, self.first) {
                return self.aside.parts[at].dirty;
            }
            let (chunk, bit) = (ordinal / PER_CHUNK, 1 << (ordinal % PER_CHUNK));
            self.piece.chunks(&self.memory.arena).any(|(own, bits)| own == chunk && bits.dirty & bit != 0)
        };
        self.ordinals().any(dirty)
    }
}
