//! Rule-level state of a key: last touch, edge, limit, armed timers, and the snapshot of a pause.

use super::RuleState;
use crate::{
    document::spec::Limit,
    rule::plan::RulePlan,
    state::rule_level::{Armed, RuleLevel},
};

/// Time of a touch at `now` (unix ms) as states of the rule record it; `i64::MIN` if they do not.
pub(super) fn recorded(plan: &RulePlan, now: i64) -> i64 {
    if plan.level_since.is_some() { now } else { i64::MIN }
}

impl RuleState {
    pub(super) fn level_mut(&mut self) -> &mut RuleLevel {
        self.level.get_or_insert_default()
    }

    /// Whether there is rule-level state besides the time of the last touch.
    pub fn has_rule_level(&self) -> bool {
        self.level.as_deref().is_some_and(|level| *level != RuleLevel::default())
    }

    /// Removes all rule-level state but the time of the last touch.
    pub fn clear_rule_level(&mut self) {
        self.level = None;
    }

    /// `now` of the last event that concerned the rule, unix ms; `i64::MIN` if there was none since the rule
    /// has [recorded](RulePlan::level_since) touches.
    pub fn touched(&self) -> i64 {
        self.touched
    }

    /// Time of the last touch as it counts for `ttl` and departures, unix ms: the recorded one or else the
    /// instant since which the rule records touches; `i64::MIN` if unknown.
    pub fn last_touch(&self, plan: &RulePlan) -> i64 {
        if self.touched > i64::MIN { self.touched } else { plan.level_since.unwrap_or(i64::MIN) }
    }

    /// Records a touch at `now` (unix ms), if the rule records touches; marks what checkpoints keep of it.
    pub fn touch(&mut self, plan: &RulePlan, now: i64) {
        self.set_touched(recorded(plan, now));
        if plan.rule_level {
            self.mark_rule_level();
        }
    }

    /// Sets the recorded time of the last touch, unix ms, as restored.
    pub fn set_touched(&mut self, touched: i64) {
        self.touched = touched;
    }

    /// Whether `when` held at the last touch; `None` for a key that was not judged under this edit of the
    /// rule.
    pub fn edge(&self, edited: u64) -> Option<bool> {
        let (under, held) = self.level.as_deref()?.edge?;
        (under == edited).then_some(held)
    }

    /// Records whether `when` holds, judged under this edit of the rule.
    pub fn set_edge(&mut self, edited: u64, holds: bool) {
        self.level_mut().edge = Some((edited, holds));
    }

    /// Records a firing at `at` (unix ms) if `limit` allows one; removes firings outside the limit's span.
    pub fn try_fire(&mut self, limit: Limit, at: i64) -> bool {
        self.level_mut().try_fire(limit, at)
    }

    /// Whether the key is to be judged at the rule's publish.
    pub fn is_judged_at_publish(&self) -> bool {
        self.level.as_deref().is_some_and(|level| level.judge_at_publish)
    }

    /// Marks the key to be judged at the rule's publish.
    pub fn judge_at_publish(&mut self) {
        self.level_mut().judge_at_publish = true;
    }

    /// Records that the key was judged at the rule's publish.
    pub fn judged_at_publish(&mut self) {
        if let Some(level) = self.level.as_deref_mut() {
            level.judge_at_publish = false;
        }
    }

    /// Armed timer of a condition.
    pub fn armed(&self, condition: usize) -> Option<&Armed> {
        self.level.as_deref()?.armed.iter().find(|armed| armed.condition == condition)
    }

    /// Earliest armed timer; of several at one instant, that of the first condition.
    pub fn next_armed(&self) -> Option<&Armed> {
        self.level.as_deref()?.armed.iter().min_by_key(|armed| (armed.deadline, armed.condition))
    }

    /// Earliest armed timer, if its deadline is exactly `deadline`.
    pub fn armed_at(&self, deadline: i64) -> Option<&Armed> {
        self.next_armed().filter(|armed| armed.deadline == deadline)
    }

    /// Arms the timer of a condition, replacing an armed one.
    pub fn arm(&mut self, timer: Armed) {
        let level = self.level_mut();
        level.disarm(timer.condition);
        level.armed.push(timer);
    }

    /// Disarms the timer of a condition, if one is armed.
    pub fn disarm(&mut self, condition: usize) {
        if let Some(level) = self.level.as_deref_mut() {
            level.disarm(condition);
        }
    }

    /// State as it stood when the current pause began; `None` if the state has seen no pause.
    pub fn paused_copy(&self) -> Option<&RuleState> {
        self.level.as_deref()?.paused_copy.as_deref().map(|copy| &copy.state)
    }

    /// State as it stood when the current pause began, for changes other than events of the pause.
    pub fn paused_copy_mut(&mut self) -> Option<&mut RuleState> {
        self.level.as_deref_mut()?.paused_copy.as_deref_mut().map(|copy| &mut copy.state)
    }

    /// Instant of the key's next timer, unix ms: an armed one, one of the snapshot, or the rule's publish;
    /// `i64::MAX` if there is none.
    pub fn next_deadline(&self, publish: i64) -> i64 {
        let armed = [self.next_armed(), self.paused_copy().and_then(RuleState::next_armed)];
        let timer = armed.into_iter().flatten().map(|armed| armed.deadline).min().unwrap_or(i64::MAX);
        if self.is_judged_at_publish() { timer.min(publish - 1) } else { timer }
    }
}
