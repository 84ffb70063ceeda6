//! Rule-level state of a key: last touch, edge, limit and armed timers.

use super::{Location, RuleState};
use crate::{
    rule::{limit::LimitPlan, plan::RulePlan, verdict::Known},
    state::rule_level::{
        ALL_KNOWN, Armed, EDGE, HELD, JUDGED_AT_PUBLISH, RuleLevel, UNTOUCHED, is_judged_at_publish, known,
        known_flags, number, set_number,
    },
};

impl RuleState<'_> {
    /// Words of the rule-level state; `None` if there is none.
    #[inline(always)]
    pub(super) fn level_words(&self) -> Option<&[u64]> {
        self.locate_level().map(|location| self.words(location))
    }

    /// Changes the words of the rule-level state, which is marked as changed.
    #[inline(always)]
    fn change_words(&mut self, change: impl FnOnce(&mut [u64])) {
        let location = self.change_at(self.locate_level(), self.parts.level, &UNTOUCHED);
        self.level.set(Some(Some(location)));
        change(match location {
            Location::Piece(place) => self.piece.part_mut(&mut self.memory.arena, place),
            Location::Aside(at) => self.aside.part_mut(at),
        });
    }

    /// Marks the rule-level state as changed.
    pub fn mark_rule_level(&mut self) {
        self.change_words(|_| {});
    }

    fn flags(&self) -> u64 {
        self.level_words().map_or(0, |words| words[2] & u64::from(u32::MAX))
    }

    /// Firings, timers and snapshot, if there are any.
    pub(in crate::state) fn level(&self) -> Option<&RuleLevel> {
        self.memory.level(number(self.level_words()?))
    }

    /// Changes firings, timers or the snapshot; a change to nothing of nothing leaves no trace.
    pub(in crate::state) fn change_level<T>(&mut self, change: impl FnOnce(&mut RuleLevel) -> T) -> T {
        let former = self.level_words().map_or(0, number);
        let (number, changed) = self.memory.change_level(former, change);
        if number != former || number != 0 {
            self.change_words(|words| set_number(words, number));
        }
        changed
    }

    /// Whether there is rule-level state, be it only the time of the last touch.
    pub fn is_touched(&self) -> bool {
        self.level_words().is_some()
    }

    /// Whether there is rule-level state besides the time of the last touch.
    #[inline(always)]
    pub fn has_rule_level(&self) -> bool {
        self.level_words().is_some_and(|words| words[2] & !ALL_KNOWN != 0)
    }

    /// Removes all rule-level state but the time of the last touch.
    pub fn clear_rule_level(&mut self) {
        if !self.has_rule_level() {
            return;
        }
        let number = self.level_words().map_or(0, number);
        self.memory.free_level(number, self.layout);
        self.change_words(|words| words[1..].fill(0));
    }

    /// `now` of the last event that concerned the rule, unix ms; `i64::MIN` if there was none since the rule
    /// has [recorded](RulePlan::level_since) touches.
    #[inline(always)]
    pub fn touched(&self) -> i64 {
        self.level_words().map_or(i64::MIN, |words| words[0] as i64)
    }

    /// Time of the last touch as it counts for `ttl` and departures, unix ms: the recorded one or else the
    /// instant since which the rule records touches; `i64::MIN` if unknown.
    pub fn last_touch(&self, plan: &RulePlan) -> i64 {
        let touched = self.touched();
        if touched > i64::MIN { touched } else { plan.level_since.unwrap_or(i64::MIN) }
    }

    /// Records a touch at `now` (unix ms), if the rule records touches; marks what checkpoints keep of it.
    pub fn touch(&mut self, plan: &RulePlan, now: i64) {
        if plan.rule_level {
            self.set_touched(if plan.level_since.is_some() { now } else { i64::MIN });
        }
    }

    /// Sets the recorded time of the last touch, unix ms.
    #[inline(always)]
    pub fn set_touched(&mut self, touched: i64) {
        self.change_words(|words| words[0] = touched as u64);
    }

    /// Whether `when` held at the last touch; `None` for a key that was not judged under this edit of the
    /// rule.
    pub fn edge(&self, edited: u64) -> Option<bool> {
        self.judged(edited).map(|(held, _)| held)
    }

    /// Edge with its edit, under whichever edit it was judged.
    pub(in crate::state) fn any_edge(&self) -> Option<(u64, bool)> {
        let words = self.level_words()?;
        (words[2] & EDGE != 0).then_some((words[1], words[2] & HELD != 0))
    }

    /// Records whether `when` holds, judged under this edit of the rule.
    pub fn set_edge(&mut self, edited: u64, holds: bool) {
        self.change_words(|words| {
            if words[2] & EDGE == 0 || words[1] != edited {
                words[2] &= !ALL_KNOWN;
            }
            words[1] = edited;
            words[2] = words[2] & !HELD | EDGE | if holds { HELD } else { 0 };
        });
    }

    /// Whether `when` held at the last touch, and which conditions are known to be met or not; `None` for a key
    /// that was not judged under this edit of the rule.
    #[inline(always)]
    pub fn judged(&self, edited: u64) -> Option<(bool, Known)> {
        let words = self.level_words()?;
        let judged = words[2] & EDGE != 0 && words[1] == edited;
        judged.then(|| (words[2] & HELD != 0, known(words[2])))
    }

    /// Records a touch at `now` (unix ms), whether `when` holds, judged under this edit of the rule, and which
    /// conditions are known to be met or not.
    #[inline(always)]
    pub fn set_judged(&mut self, now: i64, edited: u64, holds: bool, known: Known) {
        self.change_words(|words| {
            let kept = words[2] & !(ALL_KNOWN | HELD);
            words[0] = now as u64;
            words[1] = edited;
            words[2] = kept | EDGE | if holds { HELD } else { 0 } | known_flags(known);
        });
    }

    /// Changes which conditions are known to be met or not; the state does not count as changed by it.
    pub(super) fn forget_met(&mut self, change: impl FnOnce(&mut Known)) {
        let flags = self.flags();
        if flags & ALL_KNOWN == 0 {
            return;
        }
        let mut left = known(flags);
        change(&mut left);
        let words = match self.locate_level() {
            Some(Location::Piece(place)) => self.piece.part_mut(&mut self.memory.arena, place),
            Some(Location::Aside(at)) => self.aside.part_mut(at),
            None => return,
        };
        words[2] = words[2] & !ALL_KNOWN | known_flags(left);
    }

    /// Records a firing at `at` (unix ms) if `limit` allows one; removes firings that it no longer counts.
    pub fn try_fire(&mut self, limit: LimitPlan, at: i64) -> bool {
        self.change_level(|level| level.try_fire(limit, at))
    }

    /// Whether a message was seen from `since` on, unix ms.
    pub fn has_seen(&self, message: u64, since: i64) -> bool {
        self.level().is_some_and(|level| level.has_seen(message, since))
    }

    /// Remembers a message seen at `now`, and forgets those from before `since`, unix ms.
    pub fn see(&mut self, message: u64, now: i64, since: i64) {
        self.change_level(|level| level.see(message, now, since));
    }

    /// Whether the key is to be judged at the rule's publish.
    pub fn is_judged_at_publish(&self) -> bool {
        self.level_words().is_some_and(is_judged_at_publish)
    }

    /// Marks the key to be judged at the rule's publish.
    pub fn judge_at_publish(&mut self) {
        self.change_words(|words| words[2] |= JUDGED_AT_PUBLISH);
    }

    /// Records that the key was judged at the rule's publish.
    pub fn judged_at_publish(&mut self) {
        if self.is_judged_at_publish() {
            self.change_words(|words| words[2] &= !JUDGED_AT_PUBLISH);
        }
    }

    /// Armed timer of a condition.
    pub fn armed(&self, condition: usize) -> Option<&Armed> {
        let own = self.parts.conditions[condition];
        self.level()?.armed.iter().find(|(part, _)| *part == own).map(|(_, armed)| armed)
    }

    /// All armed timers, with the positions of their conditions.
    pub(in crate::state) fn all_armed(&self) -> impl Iterator<Item = (usize, &Armed)> {
        let all = self.level().map_or(&[][..], |level| &level.armed);
        all.iter().filter_map(|(part, armed)| Some((self.condition(*part)?, armed)))
    }

    /// Earliest armed timer with the position of its condition; of several at one instant, that of the first
    /// condition.
    pub fn next_armed(&self) -> Option<(usize, &Armed)> {
        self.all_armed().min_by_key(|(condition, armed)| (armed.deadline, *condition))
    }

    /// Earliest armed timer, if its deadline is exactly `deadline`.
    pub fn armed_at(&self, deadline: i64) -> Option<(usize, &Armed)> {
        self.next_armed().filter(|(_, armed)| armed.deadline == deadline)
    }

    /// Arms the timer of a condition, replacing an armed one.
    pub fn arm(&mut self, condition: usize, timer: Armed) {
        let part = self.parts.conditions[condition];
        self.change_level(|level| {
            level.disarm(part);
            level.armed.push((part, timer));
        });
    }

    /// Disarms the timer of a condition, if one is armed.
    pub fn disarm(&mut self, condition: usize) {
        if self.armed(condition).is_some() {
            let part = self.parts.conditions[condition];
            self.change_level(|level| level.disarm(part));
        }
    }

    /// Instant of the key's next timer, unix ms: an armed one, one of the snapshot, or the rule's publish;
    /// `i64::MAX` if there is none.
    pub fn next_deadline(&mut self, plan: &RulePlan) -> i64 {
        if !self.has_rule_level() {
            return i64::MAX;
        }
        let own = self.next_armed().map(|(_, armed)| armed.deadline);
        let copied = self.paused(|copy| copy.next_armed().map(|(_, armed)| armed.deadline)).flatten();
        let timer = own.into_iter().chain(copied).min().unwrap_or(i64::MAX);
        if self.is_judged_at_publish() { timer.min(plan.publish - 1) } else { timer }
    }
}
