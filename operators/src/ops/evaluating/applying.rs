//! Applying an event to the rules that it concerns, for one key.
//!
//! First the event is folded into all conditions that are [alone](super::folds), in one pass over the key's state.
//! Then the other targets follow rule by rule. A rule's guards are asked, once. Its conditions are folded in their
//! order: those that are [plain](super::folds) straight into the key's words; the first one that is not, whatever
//! follows it, and the trigger by the [judge](Judge). A rule that is judged at every event is folded by the judge
//! unless all of these conditions are plain; then it is [judged](super::judging) before and after.
//!
//! **Invariants**: a rule that is folded without the judge leaves what the judge would leave.
//! - Its state is [brought up](begin) to the plan and `now` before it is changed. If it has neither lapsed
//!   nor a snapshot of a pause, that would change nothing, and is left out.
//! - The touch is recorded last, for each event that concerns the rule, folded or not.
//! - A state that is as new is dropped, with the touch. It is not as new if it has rule-level state besides
//!   the touch, or a condition just folded does not have its first values; otherwise the [end] of the change
//!   looks at all conditions. One that was not there before is not touched at all if it is as new.
//! - Timers are set by conditions that are not plain. So no timer of the rule is due earlier than before.

use smallvec::SmallVec;

use super::{
    super::{
        emitted::Emitted,
        gauge::EvaluateCounts,
        judge::{Judge, RuleEvent, Workings},
        lists::{fold_list, is_nested},
    },
    changing::{begin, end},
    folds::{Fold, Folds, Level, Plain},
};
use crate::{
    calculator::{CallError, Fields, FoldInput, Runner},
    model::value::Value,
    rule::{
        book::{RuleBook, Target},
        plan::Lists,
    },
    state::{OpenKey, RuleParts, RuleState, layout::Ordinal},
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
    /// Applies the event to targets, given by their positions in the order of the [folds](Folds), ascending.
    /// Returns the instant of the key's next timer, as far as that has changed, unix ms; else `i64::MAX`.
    #[inline(always)]
    pub(super) fn apply(&mut self, open: &mut OpenKey<'_>, targets: &[u32]) -> i64 {
        let folds = self.folds;
        let alone = targets.partition_point(|target| (*target as usize) < folds.alone.len());
        let (alone, targets) = targets.split_at(alone);
        if !alone.is_empty() {
            self.fold_alone(open, alone);
        }
        let (mut soonest, mut at) = (i64::MAX, 0);
        while let Some(fold) = targets.get(at).and_then(|target| folds.targets.get(*target as usize)) {
            let rule = fold.target.rule();
            let others = targets[at..].iter().position(|target| {
                folds.targets.get(*target as usize).is_none_or(|fold| fold.target.rule() != rule)
            });
            let end = others.map_or(targets.len(), |others| at + others);
            folds.prefetch(targets, end);
            soonest = soonest.min(self.rule(open, rule, &targets[at..end]));
            at = end;
        }
        soonest
    }

    /// Folds the event into conditions that are alone. Failures are told in the order of rules and conditions.
    #[inline(always)]
    fn fold_alone(&mut self, open: &mut OpenKey<'_>, targets: &[u32]) {
        let (folds, event) = (self.folds, self.event);
        let mut used_up = None;
        let mut failed: SmallVec<[(Target, Box<CallError>); 1]> = SmallVec::new();
        let mut walk = open.walk();
        for target in targets {
            let Some(fold) = folds.alone.get(*target as usize) else { continue };
            let Some(plain) = folds.plain.get(fold.plain as usize) else { continue };
            if !self.folds(fold.part, plain, used_up) {
                continue;
            }
            let shape = plain.program.shape();
            let place = walk.place(fold.part);
            if plain.precondition.is_some_and(|first| !first.holds(walk.words(place, fold.part, shape))) {
                // Most steps of a sequence come before its first one.
                self.counts.folded += 1;
                continue;
            }
            match fold_plain(&mut walk.fields(place, fold.part, shape), plain, event) {
                Ok(used) => {
                    self.counts.folded += 1;
                    used_up = used.then_some(fold.part);
                }
                Err(error) => failed.push((folds.targets[*target as usize].target, error)),
            }
            if used_up != Some(fold.part) {
                walk.take_back(fold.part, shape);
            }
        }
        drop(walk);
        open.put_in();
        if !failed.is_empty() {
            failed.sort_by_key(|(target, _)| (target.rule(), target.condition()));
            failed.into_iter().for_each(|(target, error)| self.not_folded(target, *error));
        }
    }

    /// Applies the event to targets of a rule.
    #[inline(always)]
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
        if own.level == Level::Nothing && own.is_judged_at_trigger() {
            let rest = self.fold(&mut state, targets, &mut false);
            if !rest.is_empty() && self.fires_at_trigger(rule, &mut state, rest) != Some(false) {
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
    #[inline(always)]
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
            if self.folds(fold.part, plain, used_up) {
                let mut fields = state.part_mut(fold.part, plain.program.shape());
                watch.before(condition, &fields);
                used_up = self.fold_into(&mut fields, fold, plain);
                watch.after(condition, &fields);
                *as_new = *as_new && fields.are_initial();
            }
        }
        &[]
    }

    /// Whether the event is folded into the condition of a target: not if it is used up by a later step, or does
    /// not lie in the window.
    #[inline(always)]
    fn folds(&self, part: Ordinal, plain: &Plain, used_up: Option<Ordinal>) -> bool {
        used_up != Some(part) && plain.window.folds(self.event.time, self.event.now, plain.steps)
    }

    /// Folds the event into the fields of a plain condition. Returns its part if the event is used up.
    #[inline(always)]
    fn fold_into(&mut self, fields: &mut Fields<'_>, fold: &Fold, plain: &Plain) -> Option<Ordinal> {
        match fold_plain(fields, plain, self.event) {
            Ok(used) => {
                self.counts.folded += 1;
                used.then_some(fold.part)
            }
            Err(error) => {
                self.not_folded(fold.target, *error);
                None
            }
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
        self.judged
            .extend(rest.iter().filter_map(|target| Some(self.folds.targets.get(*target as usize)?.target)));
        let workings = Workings { runners: &mut self.runners[rule], counts: self.counts, out: self.out };
        Judge::new(&self.book.rules[rule], key, state, workings).event(self.judged, self.event);
    }

    /// Judge of a rule.
    pub(super) fn judge_of<'j>(&'j mut self, rule: usize, key: &'j str, state: RuleState<'j>) -> Judge<'j> {
        let workings = Workings { runners: &mut self.runners[rule], counts: self.counts, out: self.out };
        Judge::new(&self.book.rules[rule], key, state, workings)
    }
}

/// Folds an event into the fields of a plain condition. Returns whether it is used up.
///
/// # Errors
/// If the calculator failed or refused the value; the fields are unchanged.
#[inline(always)]
fn fold_plain(fields: &mut Fields<'_>, plain: &Plain, event: &RuleEvent<'_>) -> Result<bool, Box<CallError>> {
    let input = FoldInput { time: event.time, now: event.now, step: plain.step.into() };
    if event.has_nested
        && plain.lists != Lists::Absent
        && let Some(field) = plain.inputs[0]
        && let Some((_, nested)) = event.values.iter().find(|(own, value)| *own == field && is_nested(value))
    {
        return fold_nested(fields, plain, input, nested);
    }
    let value = |input: usize| {
        let own = (*plain.inputs.get(input)?)?;
        event.values.iter().find(|(field, _)| *field == own).map(|(_, value)| value)
    };
    // A plain condition's calculator is compiled.
    plain.program.fold(fields, input, value).unwrap_or(Ok(false))
}

/// Folds a list or an object into the fields of a plain condition, as its calculator folds them.
#[cold]
#[inline(never)]
fn fold_nested(
    fields: &mut Fields<'_>,
    plain: &Plain,
    input: FoldInput,
    nested: &Value<'_>,
) -> Result<bool, Box<CallError>> {
    fold_list(plain.lists, nested, |value| {
        // A calculator that folds lists reads one property.
        plain.program.fold(fields, input, |at| value.filter(|_| at == 0)).unwrap_or(Ok(false))
    })
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
