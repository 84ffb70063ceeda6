//! Applying an event to the rules that it concerns, for one key.
//!
//! First a rule's guards are asked, once. Then its conditions are folded in their order: those that are
//! [plain](super::folds) straight into the key's words; the first one that is not, whatever follows it, and
//! the trigger by the [judge](Judge).
//!
//! **Invariants**: a rule that is folded without the judge leaves what the judge would leave.
//! - Its state is [brought up](begin) to the plan and `now` before it is changed. If it has neither lapsed
//!   nor a snapshot of a pause, that would change nothing, and is left out.
//! - The touch is recorded last, for each event that concerns the rule, folded or not.
//! - A state that is as new is dropped, with the touch. It is not as new if it has rule-level state besides
//!   the touch, or a condition just folded does not have its first values; otherwise the [end] of the change
//!   looks at all conditions.
//! - Timers are set by conditions that are not plain. So no timer of the rule is due earlier than before.

use super::{
    super::{
        emitted::Emitted,
        gauge::EvaluateCounts,
        judge::{Judge, RuleEvent, Workings},
    },
    changing::{begin, end},
    folds::{Fold, Folds, Level},
};
use crate::{
    calculator::{CallError, FoldInput, Runner},
    rule::book::{RuleBook, Target},
    state::{OpenKey, RuleParts, RuleState},
};

/// An event that is applied, and what it is applied with.
pub(super) struct Application<'a> {
    pub(super) book: &'a RuleBook,
    pub(super) folds: &'a Folds,
    /// Parts of states, by rule of the book.
    pub(super) parts: &'a [RuleParts],
    /// Interpreters by rule of the book and condition.
    pub(super) runners: &'a mut [Vec<Option<Runner>>],
    pub(super) event: &'a RuleEvent<'a>,
    /// Buffer for the targets of one rule.
    pub(super) judged: &'a mut Vec<Target>,
    pub(super) counts: &'a mut EvaluateCounts,
    /// Receives triggers and failures.
    pub(super) out: &'a mut Emitted,
}

impl Application<'_> {
    /// Applies the event to the rules of `targets`, which are positions in the book, ascending. Returns the
    /// instant of the key's next timer, as far as that has changed, unix ms; else `i64::MAX`.
    pub(super) fn apply(&mut self, open: &mut OpenKey<'_>, targets: &[u32]) -> i64 {
        let Folds { targets: folds, .. } = self.folds;
        let rule_of = |target: u32| folds.get(target as usize).map(|fold| fold.target.rule());
        let mut soonest = i64::MAX;
        for chunk in targets.chunk_by(|a, b| rule_of(*a) == rule_of(*b)) {
            if let Some(rule) = rule_of(chunk[0]) {
                soonest = soonest.min(self.rule(open, rule, chunk));
            }
        }
        soonest
    }

    fn rule(&mut self, open: &mut OpenKey<'_>, rule: usize, targets: &[u32]) -> i64 {
        let (own, now) = (&self.folds.rules[rule], self.event.now);
        if !own.guards.active(now) {
            return i64::MAX;
        }
        if own.guards.is_late(self.event.time, now) {
            self.counts.late += 1;
            return i64::MAX;
        }
        let key = open.key();
        let mut state = open.rule(&self.parts[rule]);
        if own.level == Level::Nothing {
            let rest = self.fold(&mut state, targets, &mut false);
            if !rest.is_empty() {
                self.judge(rule, key, state, rest);
            }
            return i64::MAX;
        }
        let plan = &*self.book.rules[rule];
        let due = own.is_due(&state, now);
        if due {
            begin(&mut state, plan, key, now);
        }
        let mut as_new = !state.has_rule_level();
        let rest = self.fold(&mut state, targets, &mut as_new);
        let judged = !rest.is_empty();
        if judged {
            self.judge(rule, key, state.lent(), rest);
        } else {
            state.touch(plan, now);
        }
        if due || judged || as_new { end(&mut state, plan) } else { i64::MAX }
    }

    /// Folds the event into plain conditions of a rule, up to the first target that is none; returns the
    /// targets from that one on. Sets `as_new` to false if a condition does not have its first values.
    fn fold<'t>(&mut self, state: &mut RuleState<'_>, targets: &'t [u32], as_new: &mut bool) -> &'t [u32] {
        let event = self.event;
        let mut used_up = None;
        for (i, target) in targets.iter().enumerate() {
            let Some(Fold { target, plain: Some(fold) }) = self.folds.targets.get(*target as usize) else {
                return &targets[i..];
            };
            if used_up == Some(fold.part) || !fold.window.folds(event.time, event.now, fold.steps) {
                continue;
            }
            let Target::Condition { step, .. } = *target else { continue };
            let input = FoldInput { time: event.time, now: event.now, step: step.into() };
            let value = |input: usize| {
                let own = (*fold.inputs.get(input)?)?;
                event.values.iter().find(|(field, _)| *field == own).map(|(_, value)| value)
            };
            let mut fields = state.part_mut(fold.part, fold.program.shape());
            let folded = fold.program.fold(&mut fields, input, value);
            *as_new = *as_new && fields.are_initial();
            match folded {
                Some(Ok(used)) => {
                    self.counts.folded += 1;
                    used_up = used.then_some(fold.part);
                }
                Some(Err(error)) => self.not_folded(*target, error),
                None => {}
            }
        }
        &[]
    }

    #[cold]
    fn not_folded(&mut self, target: Target, error: CallError) {
        match error {
            CallError::NotFolded(_) => self.counts.not_folded += 1,
            CallError::Failed(error) => {
                let (plan, condition) = self.book.condition(target);
                self.counts.failed += 1;
                self.out.fail(plan.id(), format!("{condition}: {error}"));
            }
        }
    }

    /// Leaves the rest of a rule's targets to the judge.
    fn judge(&mut self, rule: usize, key: &str, state: RuleState<'_>, rest: &[u32]) {
        self.judged.clear();
        self.judged.extend(rest.iter().filter_map(|target| self.book.targets.get(*target as usize)));
        let workings = Workings { runners: &mut self.runners[rule], counts: self.counts, out: self.out };
        Judge::new(&self.book.rules[rule], key, state, workings).event(self.judged, self.event);
    }
}

#[cfg(test)]
#[path = "applying_tests.rs"]
mod tests;
