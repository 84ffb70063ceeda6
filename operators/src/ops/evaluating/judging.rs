//! Judging of rules that are judged at every event, while an event is folded into plain conditions.
//!
//! Most events change one condition of a rule, and most of what is known of the others lasts: so `when` is a
//! look into a [table](Verdict), and a count of completions that no event was folded into has not grown.
//!
//! **Invariants**
//! - The outcome is that of the [judge](super::super::judge), who evaluates everything anew.
//! - What is [known](crate::rule::verdict::Known) of a condition is recorded after each fold into it. A
//!   condition that is changed in another way is forgotten.
//! - Only what cannot fail is left out, so failures are counted as by the judge.

use super::{
    super::judge::{has_grown, number},
    applying::{Application, Watch},
    folds::{Judged, Turn},
};
use crate::{
    calculator::{Direct, Fields},
    rule::{
        book::Target,
        verdict::{Answers, Question, Verdict},
    },
    state::RuleState,
};

impl Application<'_> {
    /// Folds the event into targets of a rule that is judged at every event, and judges it. Returns whether
    /// the state may be as new, or have another timer; sets `as_new` to false if a condition does not have its
    /// first values.
    #[inline(always)]
    pub(super) fn fold_and_judge(
        &mut self,
        (rule, key): (usize, &str),
        state: &mut RuleState<'_>,
        targets: &[u32],
        as_new: &mut bool,
    ) -> bool {
        let folds = self.folds;
        let fold = |target: &u32| folds.targets.get(*target as usize);
        let is_plain = |target: &u32| fold(target).and_then(|fold| folds.plain(fold)).is_some();
        if !targets.iter().all(is_plain) {
            self.judge(rule, key, state.lent(), targets);
            return true;
        }
        let now = self.event.now;
        match &folds.rules[rule].judged {
            Judged::Satisfied(turn) => {
                let fires = self.has_turned_true(turn, state, targets);
                self.fire_if(fires, (rule, key), state);
                let history = now < turn.publish;
                if history {
                    state.judge_at_publish();
                }
                fires || history
            }
            Judged::Each { condition, value } => {
                let mut growth = Growth::new(*condition, *value, now);
                self.fold_watched(state, targets, as_new, &mut growth);
                if *as_new && !growth.has_grown() && state.leaves_nothing() {
                    *as_new = false;
                    return false;
                }
                let fires = growth.has_grown() && self.judge_of(rule, key, state.lent()).holds(now);
                state.set_touched(now);
                self.fire_if(fires, (rule, key), state);
                fires
            }
            Judged::Anew | Judged::AtTrigger(_) => {
                let event = self.event;
                let before = self.judge_of(rule, key, state.lent()).before(now);
                self.fold(state, targets, as_new);
                self.judge_of(rule, key, state.lent()).folded(before, false, event)
            }
        }
    }

    /// Folds the event into targets of a rule that fires when `when` turns true. Returns whether it has;
    /// records that, and the touch.
    #[inline(always)]
    fn has_turned_true(&mut self, turn: &Turn, state: &mut RuleState<'_>, targets: &[u32]) -> bool {
        let (now, edited) = (self.event.now, turn.edited);
        let (edge, known) = state.judged(edited).unzip();
        let answers = Answers::of(known.unwrap_or_default());
        let mut met = WatchMet { verdict: &turn.verdict, answers, now };
        let held = match edge {
            Some(false) => false,
            Some(true) if !turn.slides => true,
            Some(true) | None => met.holds(state),
        };
        self.fold_watched(state, targets, &mut false, &mut met);
        let holds = met.holds(state);
        state.set_judged(now, edited, holds, met.answers.lasting);
        holds && !held
    }

    /// Whether a rule fires when nothing is left of an event but the rule's trigger; `None` if that is the judge's
    /// to say.
    #[inline(always)]
    pub(super) fn fires_at_trigger(
        &self,
        rule: usize,
        state: &mut RuleState<'_>,
        rest: &[u32],
    ) -> Option<bool> {
        let Judged::AtTrigger(Some(verdict)) = &self.folds.rules[rule].judged else { return None };
        let fold = self.folds.targets.get(*rest.first()? as usize)?;
        let Target::Trigger { .. } = fold.target else { return None };
        let now = self.event.now;
        let ask = |c: usize, question: &Question| question.answer(&state.part(c, question.shape()), now);
        Some(verdict.holds(&mut Answers::default(), ask))
    }

    fn fire_if(&mut self, fires: bool, (rule, key): (usize, &str), state: &mut RuleState<'_>) {
        if fires {
            let event = self.event;
            self.judge_of(rule, key, state.lent()).fire_for(event);
        }
    }
}

/// Which conditions are met.
struct WatchMet<'v> {
    verdict: &'v Verdict,
    answers: Answers,
    now: i64,
}

impl WatchMet<'_> {
    #[inline]
    fn holds(&mut self, state: &mut RuleState<'_>) -> bool {
        let now = self.now;
        let ask = |c: usize, question: &Question| question.answer(&state.part(c, question.shape()), now);
        self.verdict.holds(&mut self.answers, ask)
    }
}

impl Watch for WatchMet<'_> {
    #[inline(always)]
    fn before(&mut self, _: u16, _: &Fields<'_>) {}

    #[inline(always)]
    fn after(&mut self, condition: u16, fields: &Fields<'_>) {
        if let Some(question) = self.verdict.question(condition.into()) {
            self.answers.set(condition.into(), question.answer(fields, self.now));
        }
    }
}

/// A condition's count of completions, before and after an event is folded into it.
struct Growth {
    condition: u16,
    value: Direct,
    now: i64,
    /// Whether the event was folded into it.
    folded: bool,
    before: Option<f64>,
    after: Option<f64>,
}

impl Growth {
    fn new(condition: u16, value: Direct, now: i64) -> Self {
        Growth { condition, value, now, folded: false, before: None, after: None }
    }

    fn has_grown(&self) -> bool {
        self.folded && has_grown(self.before, self.after)
    }
}

impl Watch for Growth {
    #[inline(always)]
    fn before(&mut self, condition: u16, fields: &Fields<'_>) {
        if condition == self.condition && !self.folded {
            self.folded = true;
            self.before = number(&self.value.value(fields, self.now));
        }
    }

    #[inline(always)]
    fn after(&mut self, condition: u16, fields: &Fields<'_>) {
        if condition == self.condition {
            self.after = number(&self.value.value(fields, self.now));
        }
    }
}
