//! State of one rule for one key.
//!
//! Its representation is private to this folder: operators see a condition's cells as slices, and everything
//! else through methods.
//!
//! **Invariants**
//! - Cells of a condition are changed together with [`mark_condition`](RuleState::mark_condition), rule-level
//!   state together with [`mark_rule_level`](RuleState::mark_rule_level): a checkpoint saves what is marked.
//! - The layout of a state is that of the plan it was last [brought up to](RuleState::bring_up_to); methods
//!   that take a plan expect that one.
//!
//! - `level`: rule-level state: edge, limit, timers and the snapshot of a pause

mod level;

use std::sync::Arc;

use self::level::recorded;
use super::rule_level::{Armed, PausedCopy, RuleLevel};
use crate::{
    calculator::Cell,
    rule::{
        layout::Layout,
        plan::{ConditionPlan, RulePlan},
    },
};

/// State of a rule for a key.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleState {
    /// The rule's slot.
    pub(super) slot: u32,
    /// Cells and identity of each condition.
    pub(super) layout: Arc<Layout>,
    /// All conditions' cells, back to back.
    pub(super) cells: Box<[Cell]>,
    /// `now` of the last event that concerned the rule since it has recorded touches, unix ms; else
    /// `i64::MIN`. Needed only where [`RulePlan::rule_level`] holds.
    pub(super) touched: i64,
    /// Rule-level state, which few keys have.
    pub(super) level: Option<Box<RuleLevel>>,
    /// Changes since the last checkpoint: a bit per condition, and [`RULE_LEVEL_BIT`].
    pub(super) dirty: u64,
    /// Whether checkpoints contain a part of the state, so that its removal must be saved too.
    pub(super) stored: bool,
    /// Bytes counted for the state when it was last put into its store.
    pub(super) weight: u32,
}

/// Bit of changed rule-level state in [`RuleState::dirty`].
const RULE_LEVEL_BIT: u64 = 1 << 63;

/// Life cycle of a state: new, brought up to its rule, saved.
impl RuleState {
    /// Makes the state of a key for which nothing was folded, touched at `now` (unix ms) if the rule records
    /// touches.
    pub fn fresh(plan: &RulePlan, now: i64) -> Self {
        RuleState {
            slot: plan.slot,
            layout: Arc::clone(&plan.layout),
            cells: plan.initial.iter().cloned().collect(),
            touched: recorded(plan, now),
            level: None,
            dirty: 0,
            stored: false,
            weight: 0,
        }
    }

    /// State that begins anew at `now` in place of this one; if this one is stored, the new one overwrites
    /// it.
    #[must_use]
    pub fn restarted(&self, plan: &RulePlan, now: i64) -> Self {
        let mut fresh = RuleState::fresh(plan, now);
        fresh.bring_up_to(plan);
        fresh.dirty = u64::MAX;
        fresh.stored = self.stored;
        fresh
    }

    /// The rule's slot.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Version of the rule at which the rule-level state began; its stored name contains it.
    pub fn beginning(&self) -> u64 {
        self.layout.rule
    }

    /// Whether the state belongs to the rule as given: to the same `key_by`, and to the same life if the rule
    /// was retired and published again.
    pub fn is_of(&self, plan: &RulePlan) -> bool {
        self.layout.rule == plan.layout.rule
    }

    /// Whether the state equals that of a key for which nothing was folded.
    pub fn is_fresh(&self, plan: &RulePlan) -> bool {
        !self.has_rule_level() && self.cells[..] == plan.initial[..]
    }

    /// Brings the state up to the rule's version and pauses. A pause that has ended leaves the state as it is
    /// or, if it is skipped, as it stood when the pause began; for a current pause a snapshot is kept.
    pub fn bring_up_to(&mut self, plan: &RulePlan) {
        // Weight and stored flag stay as they are until the state is put into its store again.
        let (weight, stored) = (self.weight, self.stored);
        self.migrate(plan);
        let ended = |copy: &mut Box<PausedCopy>| Some(copy.pause) != plan.pause;
        if let Some(ended) = self.level.as_deref_mut().and_then(|level| level.paused_copy.take_if(ended)) {
            if plan.skipped.contains(&ended.pause) {
                *self = ended.state;
            }
            self.dirty = u64::MAX;
        }
        if let Some(pause) = plan.pause
            && self.paused_copy().is_none()
        {
            let state = self.clone();
            self.level_mut().paused_copy = Some(Box::new(PausedCopy { pause, state }));
        }
        (self.weight, self.stored) = (weight, stored);
    }

    /// [Brings up](Self::bring_up_to) a state that no event concerns. Returns the instant of its next timer
    /// if it has changed.
    pub fn bring_up_idle(&mut self, plan: &RulePlan) -> Option<i64> {
        let before = self.next_deadline(plan.publish);
        self.bring_up_to(plan);
        let after = self.next_deadline(plan.publish);
        (after != before && after < i64::MAX).then_some(after)
    }

    /// Carries the state over to another version of the rule: conditions in both versions keep their cells
    /// and timers, others begin anew.
    fn migrate(&mut self, plan: &RulePlan) {
        if let Some(copy) = self.paused_copy_mut() {
            copy.migrate(plan);
        }
        if Arc::ptr_eq(&self.layout, &plan.layout) {
            return;
        }
        if self.layout == plan.layout {
            self.layout = Arc::clone(&plan.layout);
            return;
        }
        let mut fresh = RuleState::fresh(plan, self.touched);
        fresh.dirty = u64::MAX;
        if !self.is_of(plan) {
            *self = fresh;
            return;
        }
        let mut armed = Vec::new();
        for (to, (identity, range)) in plan.layout.conditions.iter().enumerate() {
            let kept = self.layout.conditions.iter().enumerate().find(|(_, (i, _))| i == identity);
            let Some((from, (_, old))) = kept else { continue };
            fresh.cells[range.clone()].clone_from_slice(&self.cells[old.clone()]);
            armed.extend(self.armed(from).map(|timer| Armed { condition: to, ..timer.clone() }));
        }
        if let Some(level) = self.level.take() {
            fresh.level = Some(Box::new(RuleLevel { armed, ..*level }));
        }
        *self = fresh;
    }

    /// Whether checkpoints contain a part of the state.
    pub fn is_stored(&self) -> bool {
        self.stored
    }

    /// Records that the state was read from a checkpoint.
    pub fn set_stored(&mut self) {
        self.stored = true;
    }

    /// Records that a checkpoint contains the whole state.
    pub fn set_saved(&mut self) {
        (self.dirty, self.stored) = (0, true);
    }

    /// Marks a condition as changed since the last checkpoint.
    pub fn mark_condition(&mut self, condition: usize) {
        self.dirty |= 1 << condition;
    }

    /// Marks the rule-level state as changed since the last checkpoint.
    pub fn mark_rule_level(&mut self) {
        self.dirty |= RULE_LEVEL_BIT;
    }

    /// Whether anything has changed since the last checkpoint.
    pub fn is_dirty(&self) -> bool {
        self.dirty != 0
    }

    /// Whether a condition has changed since the last checkpoint.
    pub fn is_condition_dirty(&self, condition: usize) -> bool {
        self.dirty & (1 << condition) != 0
    }

    /// Whether the rule-level state has changed since the last checkpoint.
    pub fn is_rule_level_dirty(&self) -> bool {
        self.dirty & RULE_LEVEL_BIT != 0
    }

    /// Bytes counted for the state when it was last put into its store.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.weight as usize
    }
}

/// Cells of conditions.
impl RuleState {
    /// Cells of a condition.
    pub fn cells(&self, of: &ConditionPlan) -> &[Cell] {
        &self.cells[of.cells.clone()]
    }

    /// Mutable cells of a condition, for its calculator.
    pub fn cells_mut(&mut self, of: &ConditionPlan) -> &mut [Cell] {
        &mut self.cells[of.cells.clone()]
    }

    /// Deadline in a condition's timer cell, unix ms; `None` if the script has no timer or has not set it.
    pub fn timer(&self, plan: &RulePlan, condition: usize) -> Option<i64> {
        match self.cells[plan.timer(condition)?] {
            Cell::Int(deadline) => (deadline >= 0).then_some(deadline),
            _ => None,
        }
    }

    /// Clears a condition's timer cell; its armed timer stays.
    pub fn clear_timer(&mut self, plan: &RulePlan, condition: usize) {
        if let Some(cell) = plan.timer(condition) {
            self.cells[cell] = Cell::Int(-1);
        }
    }

    /// Resets all conditions: initial cells, no timers. The rest of the rule-level state stays.
    pub fn reset_conditions(&mut self, plan: &RulePlan) {
        self.cells = plan.initial.iter().cloned().collect();
        self.dirty = u64::MAX;
        if let Some(level) = self.level.as_deref_mut() {
            level.armed.clear();
        }
    }
}

#[cfg(test)]
#[path = "rule_state_tests.rs"]
mod tests;
