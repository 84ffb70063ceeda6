//! Applying an event to the rules that it concerns, for one key.
//!
//! First a rule's guards are asked, once. Then its conditions are folded in their order: those that are
//! [plain](super::folds) straight into the key's words; the first one that is not, whatever follows it, and
//! the trigger by the [judge](Judge). A rule that is judged at every event is folded by the judge unless all
//! of these conditions are plain; then it is [judged](super::judging) before and after.
//!
//! **Invariants**: a rule that is folded without the judge leaves what the judge would leave.
//! - Its state is [brought up](begin) to the plan and `now` before it is changed. If it has neither lapsed
//!   nor a snapshot of a pause, that would change nothing, and is left out.
//! - The touch is recorded last, for each event that concerns the rule, folded or not.
//! - A state that is as new is dropped, with the touch. It is not as new if it has rule-level state besides
//!   the touch, or a condition just folded does not have its first values; otherwise the [end] of the change
//!   looks at all conditions. One that was not there before is not touched at all if it is as new.
//! - Timers are set by conditions that are not plain. So no timer of the rule is due earlier than before.

use super::{
    super::{
        emitted::Emitted,
        gauge::EvaluateCounts,
        judge::{Judge, RuleEvent, Workings},
    },
    changing::{begin, end},
    folds::{Fold, Folds, Level, Plain},
};
use crate::{
    calculator::{CallError, Fields, FoldInput, Runner},
    rule::book::{RuleBook, Target},
    state::{OpenKey, RuleParts, RuleState, layout::Ordinal},
};

/// Number of targets by which a fold is fetched ahead.
const AHEAD: usize = 8;

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
    #[inline(always)]
    pub(super) fn apply(&mut self, open: &mut OpenKey<'_>, targets: &[u32]) -> i64 {
        let folds = self.folds;
        let (mut soonest, mut at) = (i64::MAX, 0);
        // The rule of the target at `at`, and the number of parts made before it.
        let (mut rule, mut first, mut used_up) = (usize::MAX, 0, None);
        while let Some(fold) = targets.get(at).and_then(|target| folds.targets.get(*target as usize)) {
            if fold.target.rule() != rule {
                (rule, first, used_up) = (fold.target.rule(), open.made(), None);
            }
            match folds.plain(fold) {
                Some(plain) if fold.alone => {
                    folds.prefetch_fold(targets, at + AHEAD);
                    if let Some(step) = self.step(fold, plain, used_up) {
                        let (made, shape) = (open.made(), plain.program.shape());
                        let mut fields = open.part_mut(fold.part, shape, first);
                        used_up = self.fold_into(&mut fields, (fold, step), plain);
                        // Most steps of a sequence come before its first one.
                        if used_up.is_none() && open.made() > made {
                            open.take_back(shape);
                        }
                    }
                    at += 1;
                }
                _ => {
                    let others = targets[at..].iter().position(|target| {
                        folds.targets.get(*target as usize).is_none_or(|fold| fold.target.rule() != rule)
                    });
                    let end = others.map_or(targets.len(), |others| at + others);
                    folds.prefetch(targets, end);
                    soonest = soonest.min(self.rule(open, (rule, first), &targets[at..end]));
                    at = end;
                }
            }
        }
        soonest
    }

    /// Applies the event to targets of a rule; `first` is the number of parts made before the rule's.
    fn rule(&mut self, open: &mut OpenKey<'_>, (rule, first): (usize, usize), targets: &[u32]) -> i64 {
        let (own, now) = (&self.folds.rules[rule], self.event.now);
        if !own.guards.active(now) {
            return i64::MAX;
        }
        if own.guards.is_late(self.event.time, now) {
            self.counts.late += 1;
            return i64::MAX;
        }
        let key = open.key();
        let mut state = open.rule_from(&self.parts[rule], first);
        if own.level == Level::Nothing && own.is_judged_at_trigger() {
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
        let changed = if own.is_judged_at_trigger() {
            let rest = self.fold(&mut state, targets, &mut as_new);
            if !rest.is_empty() {
                self.judge(rule, key, state.lent(), rest);
            } else if as_new && state.leaves_nothing() {
                as_new = false;
            } else {
                match own.level {
                    Level::Touch { .. } => state.set_touched(now),
                    Level::Nothing | Level::Any => state.touch(plan, now),
                }
            }
            !rest.is_empty()
        } else {
            let changed = self.fold_and_judge((rule, key), &mut state, targets, &mut as_new);
            as_new = as_new && !state.has_rule_level();
            changed
        };
        if due || changed || as_new { end(&mut state, plan) } else { i64::MAX }
    }

    /// Folds the event into plain conditions of a rule, up to the first target that is none; returns the
    /// targets from that one on. Sets `as_new` to false if a condition does not have its first values.
    pub(super) fn fold<'t>(
        &mut self,
        state: &mut RuleState<'_>,
        targets: &'t [u32],
        as_new: &mut bool,
    ) -> &'t [u32] {
        self.fold_watched(state, targets, as_new, &mut Unwatched)
    }

    /// [Folds](Self::fold) the event; `watch` sees the conditions before and after.
    #[inline(always)]
    pub(super) fn fold_watched<'t>(
        &mut self,
        state: &mut RuleState<'_>,
        targets: &'t [u32],
        as_new: &mut bool,
        watch: &mut impl Watch,
    ) -> &'t [u32] {
        let folds = self.folds;
        let mut used_up = None;
        for (i, target) in targets.iter().enumerate() {
            let fold = folds.targets.get(*target as usize);
            let Some((fold, plain)) = fold.and_then(|fold| Some((fold, folds.plain(fold)?))) else {
                return &targets[i..];
            };
            let Target::Condition { condition, .. } = fold.target else { return &targets[i..] };
            if let Some(step) = self.step(fold, plain, used_up) {
                let mut fields = state.part_mut(fold.part, plain.program.shape());
                watch.before(condition, &fields);
                used_up = self.fold_into(&mut fields, (fold, step), plain);
                watch.after(condition, &fields);
                *as_new = *as_new && fields.are_initial();
            }
        }
        &[]
    }

    /// Step of a target whose condition the event is to be folded into; `None` if it is not, since it is used
    /// up by a later step or does not lie in the window.
    #[inline(always)]
    fn step(&self, fold: &Fold, plain: &Plain, used_up: Option<Ordinal>) -> Option<u16> {
        let Target::Condition { step, .. } = fold.target else { return None };
        let folds = plain.window.folds(self.event.time, self.event.now, plain.steps);
        (folds && used_up != Some(fold.part)).then_some(step)
    }

    /// Folds the event into the fields of a plain condition. Returns its part if the event is used up.
    #[inline(always)]
    fn fold_into(
        &mut self,
        fields: &mut Fields<'_>,
        (fold, step): (&Fold, u16),
        plain: &Plain,
    ) -> Option<Ordinal> {
        let event = self.event;
        let input = FoldInput { time: event.time, now: event.now, step: step.into() };
        let value = |input: usize| {
            let own = (*plain.inputs.get(input)?)?;
            event.values.iter().find(|(field, _)| *field == own).map(|(_, value)| value)
        };
        match plain.program.fold(fields, input, value) {
            Some(Ok(used)) => {
                self.counts.folded += 1;
                used.then_some(fold.part)
            }
            Some(Err(error)) => {
                self.not_folded(fold.target, *error);
                None
            }
            None => None,
        }
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
    pub(super) fn judge(&mut self, rule: usize, key: &str, state: RuleState<'_>, rest: &[u32]) {
        self.judged.clear();
        self.judged.extend(rest.iter().filter_map(|target| self.book.targets.get(*target as usize)));
        let workings = Workings { runners: &mut self.runners[rule], counts: self.counts, out: self.out };
        Judge::new(&self.book.rules[rule], key, state, workings).event(self.judged, self.event);
    }

    /// Judge of a rule.
    pub(super) fn judge_of<'j>(&'j mut self, rule: usize, key: &'j str, state: RuleState<'j>) -> Judge<'j> {
        let workings = Workings { runners: &mut self.runners[rule], counts: self.counts, out: self.out };
        Judge::new(&self.book.rules[rule], key, state, workings)
    }
}

/// Who sees conditions into which an event is folded.
pub(super) trait Watch {
    /// The condition's fields before an event is folded into them.
    fn before(&mut self, condition: u16, fields: &Fields<'_>);
    /// The condition's fields after an event was folded into them, or refused.
    fn after(&mut self, condition: u16, fields: &Fields<'_>);
}

/// Nobody.
struct Unwatched;

impl Watch for Unwatched {
    #[inline(always)]
    fn before(&mut self, _: u16, _: &Fields<'_>) {}

    #[inline(always)]
    fn after(&mut self, _: u16, _: &Fields<'_>) {}
}

#[cfg(test)]
#[path = "applying_tests.rs"]
mod tests;
