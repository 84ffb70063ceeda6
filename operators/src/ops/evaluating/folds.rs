//! Folds: the targets of the index's filters, and their rules, laid out for the loop over a record's targets.
//!
//! Most conditions are *plain*: their calculator is compiled and sets no timer. Folding an event into them
//! concerns nothing but their own words, so it needs nothing of their rule's plan. Nor does judging most rules
//! that are judged at every event.
//!
//! Most rules have plain conditions only, neither guards nor rule-level state, and are judged at their trigger
//! event. What is folded into their conditions is *alone*: it may be folded in any order, before the rules are
//! judged. So the targets that are alone are in the order of their parts, for one pass over a key's state.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::{
    calculator::{Direct, Precondition, Program},
    model::field::Field,
    processor::prefetch,
    rule::{
        book::{RuleBook, Target},
        guards::Guards,
        met::{OutputPlan, Read},
        plan::{Lists, RulePlan, TriggerPlan, WindowPlan},
        verdict::Verdict,
    },
    state::{RuleParts, RuleState, layout::Ordinal},
};

/// Most properties that the calculator of a plain condition reads.
pub(super) const INPUTS: usize = 3;

/// Stands for no part, for no plain fold, and for no position.
const NONE: u32 = u32::MAX;

/// Folds of a book. What is asked for each target is as small as possible: of thousands of rules it would not
/// stay in the processor's cache otherwise.
#[derive(Debug, Default)]
pub(super) struct Folds {
    /// Position of each target of the book in the order in which targets are applied.
    order: Box<[u32]>,
    /// Folds that are alone, in the order of their parts, those of a part in the order of the book. These
    /// targets are applied first.
    pub(super) alone: Box<[Alone]>,
    /// All folds: behind those that are alone the others, in the order of the book.
    pub(super) targets: Box<[Fold]>,
    /// The distinct ways in which plain conditions are folded.
    pub(super) plain: Vec<Plain>,
    /// Each rule, by its position.
    pub(super) rules: Vec<RuleFolds>,
}

/// Plain fold that concerns nothing but a condition: that of a rule that has neither guards nor rule-level
/// state, nor conditions that are not plain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alone {
    /// Part of the condition.
    pub(super) part: Ordinal,
    /// Position among the ways of folding.
    pub(super) plain: u32,
}

/// A rule that events concern.
#[derive(Clone, Debug)]
pub(super) struct RuleFolds {
    /// Its guards.
    pub(super) guards: Guards,
    /// What an event leaves in its rule-level state.
    pub(super) level: Level,
    /// When and how it is judged.
    pub(super) judged: Judged,
}

/// When a rule is judged, and how if all that an event folds is plain.
#[derive(Clone, Debug)]
pub(super) enum Judged {
    /// At its trigger event: by whether `when` holds, or by the judge if that is not known so.
    AtTrigger(Option<Verdict>),
    /// At every event, by the judge.
    Anew,
    /// At every event: whether `when` has turned true, by what is known of the conditions.
    Satisfied(Turn),
    /// At every event: whether a condition has completed once more.
    Each {
        /// Position of the condition.
        condition: u16,
        /// Its output that counts completions.
        value: Direct,
    },
}

/// What an event that concerns a rule leaves in its rule-level state, whether or not it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Nothing.
    Nothing,
    /// The time of the touch. A state without one was touched at `since` (unix ms; `i64::MIN`: unknown).
    Touch {
        /// Instant from which touches are recorded.
        since: i64,
    },
    /// More, or a state may have to be brought up to the plan: a pause is in force or was skipped, or people
    /// have left the crowd.
    Any,
}

/// Target of a filter, with its fold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fold {
    /// The part of the rule.
    pub(super) target: Target,
    /// Part of the condition, if it is plain.
    pub(super) part: Ordinal,
    /// Position among the ways of folding, or [`NONE`] if it is not plain.
    plain: u32,
}

/// How an event is folded into a plain condition.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    /// Step of the condition.
    pub(super) step: u16,
    /// What its calculator tests first.
    pub(super) precondition: Option<Precondition>,
    /// Whether the condition has steps.
    pub(super) steps: bool,
    /// Its window.
    pub(super) window: WindowPlan,
    /// Its calculator.
    pub(super) program: Arc<Program>,
    /// Fields that the calculator reads, in the order of its inputs.
    pub(super) inputs: [Option<Field>; INPUTS],
    /// How a list is folded.
    pub(super) lists: Lists,
}

impl Folds {
    /// Folds of a book, whose rules have these parts.
    pub(super) fn new(book: &RuleBook, parts: &[RuleParts]) -> Self {
        let (mut ways, mut known) = (Vec::new(), HashMap::new());
        let fold = |target: &Target| {
            let own = plain(book, parts, *target);
            let (part, plain) = own.map_or((NONE, NONE), |(part, own)| {
                let key = (Arc::as_ptr(&own.program), own.step, own.steps, own.window, own.inputs, own.lists);
                let new = ways.len() as u32;
                let way = *known.entry(key).or_insert(new);
                if way == new {
                    ways.push(own);
                }
                (part, way)
            });
            Fold { target: *target, part, plain }
        };
        let folds: Vec<Fold> = book.targets.iter().map(fold).collect();
        Folds { plain: ways, ..Folds::of(book, &folds) }
    }

    /// The same folds as if no condition were plain.
    #[cfg(test)]
    pub(super) fn without_plain(book: &RuleBook) -> Self {
        let fold = |target: &Target| Fold { target: *target, part: NONE, plain: NONE };
        Folds::of(book, &book.targets.iter().map(fold).collect::<Vec<_>>())
    }

    /// Puts the folds of a book's targets in the order in which they are applied.
    fn of(book: &RuleBook, folds: &[Fold]) -> Self {
        let rules: Vec<_> = book.rules.iter().map(|plan| RuleFolds::new(plan)).collect();
        let mut free: Vec<bool> = rules.iter().map(RuleFolds::are_free).collect();
        let of_judge = |fold: &&Fold| fold.plain == NONE && matches!(fold.target, Target::Condition { .. });
        folds.iter().filter(of_judge).for_each(|fold| free[fold.target.rule()] = false);
        let is_alone = |fold: &Fold| fold.plain != NONE && free[fold.target.rule()];
        let mut applied: Vec<u32> = (0..folds.len() as u32).collect();
        applied.sort_by_key(|target| {
            Some(&folds[*target as usize]).filter(|fold| is_alone(fold)).map_or(NONE, |fold| fold.part)
        });
        let mut order = vec![0; applied.len()].into_boxed_slice();
        (0..).zip(&applied).for_each(|(position, target)| order[*target as usize] = position);
        let targets: Box<[Fold]> = applied.iter().map(|target| folds[*target as usize]).collect();
        let alone = targets.iter().take_while(|fold| is_alone(fold));
        let alone = alone.map(|Fold { part, plain, .. }| Alone { part: *part, plain: *plain });
        Folds { order, alone: alone.collect(), targets, plain: Vec::new(), rules }
    }

    /// Positions of targets in the order in which they are applied; [`NONE`] of one that the book does not have.
    #[inline(always)]
    pub(super) fn positions(&self, targets: &[u32]) -> impl ExactSizeIterator<Item = u32> {
        targets.iter().map(|target| self.order.get(*target as usize).copied().unwrap_or(NONE))
    }

    /// How an event is folded into the condition of a target, if that is plain.
    #[inline(always)]
    pub(super) fn plain(&self, fold: &Fold) -> Option<&Plain> {
        self.plain.get(fold.plain as usize)
    }

    /// Fetches what applying an event to the targets after `at` needs of them and their rules, ahead of its use.
    #[inline(always)]
    pub(super) fn prefetch(&self, targets: &[u32], at: usize) {
        let fold = |ahead: usize| self.targets.get(*targets.get(at + ahead)? as usize);
        if let Some(fold) = fold(6) {
            prefetch(fold);
        }
        if let Some(own) = fold(4).and_then(|fold| self.rules.get(fold.target.rule())) {
            prefetch(&own.guards);
            prefetch(&own.judged);
        }
        if let Some(Fold { target: Target::Condition { rule, condition, .. }, .. }) = fold(2)
            && let Some(Judged::Satisfied(turn)) = self.rules.get(*rule as usize).map(|own| &own.judged)
            && let Some(question) = turn.verdict.question((*condition).into())
        {
            prefetch(question);
        }
    }
}

/// Whether a rule's `when` has turned true.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// `when`.
    pub(super) verdict: Verdict,
    /// Edit of the rule under which it is judged.
    pub(super) edited: u64,
    /// Whether any output changes by time alone.
    pub(super) slides: bool,
    /// Instant of publish, unix ms, if keys are judged at it; else `i64::MIN`.
    pub(super) publish: i64,
}

impl Judged {
    fn new(plan: &RulePlan) -> Self {
        match (&plan.trigger, &plan.verdict) {
            (TriggerPlan::Event(_), verdict) => Judged::AtTrigger(verdict.clone()),
            (TriggerPlan::Satisfied, Some(verdict)) => Judged::Satisfied(Turn {
                verdict: verdict.clone(),
                edited: plan.edited,
                slides: plan.slides,
                publish: if plan.fires_at_publish() { plan.publish } else { i64::MIN },
            }),
            (TriggerPlan::Each { condition, value: OutputPlan { read: Read::Direct(value), .. } }, _) => {
                Judged::Each { condition: *condition as u16, value: *value }
            }
            (TriggerPlan::Satisfied | TriggerPlan::Each { .. }, _) => Judged::Anew,
        }
    }
}

impl RuleFolds {
    fn new(plan: &RulePlan) -> Self {
        let pauses = plan.pause.is_some() || !plan.skipped.is_empty();
        let level = match plan.level_since {
            None if !plan.rule_level && !pauses => Level::Nothing,
            Some(since) if plan.rule_level && !pauses && plan.departed.is_empty() => Level::Touch { since },
            _ => Level::Any,
        };
        RuleFolds { guards: Guards::new(plan), level, judged: Judged::new(plan) }
    }

    /// Whether the rule is judged at no other event than its trigger event.
    #[inline]
    pub(super) fn is_judged_at_trigger(&self) -> bool {
        matches!(self.judged, Judged::AtTrigger(_))
    }

    /// Whether an event concerns the rule whenever it comes, and leaves nothing but folds.
    fn are_free(&self) -> bool {
        self.level == Level::Nothing && self.is_judged_at_trigger() && self.guards.admit_all()
    }

    /// Whether a key's state has to be [brought up](super::changing::begin) to the plan and `now` (unix ms)
    /// before it is changed.
    #[inline(always)]
    pub(super) fn is_due(&self, state: &RuleState<'_>, now: i64) -> bool {
        match self.level {
            Level::Nothing => false,
            Level::Touch { since } => {
                let touched = state.touched();
                let touched = if touched > i64::MIN { touched } else { since };
                self.guards.is_idle(touched, now) || state.is_paused()
            }
            Level::Any => true,
        }
    }
}

/// Part of a target's condition and how an event is folded into it, if that is plain.
fn plain(book: &RuleBook, parts: &[RuleParts], target: Target) -> Option<(Ordinal, Plain)> {
    let Target::Condition { rule, condition, step } = target else { return None };
    let (plan, parts) = (&book.rules[rule as usize], &parts[rule as usize]);
    let part = parts.conditions[usize::from(condition)];
    let condition = &plan.conditions[usize::from(condition)];
    let program = &condition.program;
    if condition.inputs.len() > INPUTS || program.timer().is_some() || !program.folds_compiled() {
        return None;
    }
    let mut inputs = [None; INPUTS];
    inputs.iter_mut().zip(&condition.inputs).for_each(|(to, field)| *to = Some(*field));
    let program = Arc::clone(program);
    let precondition = program.precondition(step);
    let (steps, window, lists) = (condition.steps, condition.window, condition.lists);
    Some((part, Plain { step, precondition, steps, window, program, inputs, lists }))
}
