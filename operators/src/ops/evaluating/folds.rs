//! Folds: the targets of the index's filters, and their rules, laid out for the loop over a record's targets.
//!
//! Most conditions are *plain*: their calculator is compiled and sets no timer. Folding an event into them
//! concerns nothing but their own words, so it needs nothing of their rule's plan. Nor does judging most rules
//! that are judged at every event.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::{
    calculator::{Direct, Program},
    model::field::Field,
    processor::prefetch,
    rule::{
        book::{RuleBook, Target},
        guards::Guards,
        met::{OutputPlan, Read},
        plan::{RulePlan, TriggerPlan, WindowPlan},
        verdict::Verdict,
    },
    state::{RuleParts, RuleState, layout::Ordinal},
};

/// Most properties that the calculator of a plain condition reads.
pub(super) const INPUTS: usize = 3;

/// Stands for no part, and for no plain fold.
const NONE: u32 = u32::MAX;

/// Folds of a book. What is asked for each target is as small as possible: of thousands of rules it would not
/// stay in the processor's cache otherwise.
#[derive(Debug, Default)]
pub(super) struct Folds {
    /// Fold of each filter, by its position.
    pub(super) targets: Box<[Fold]>,
    /// Parts of the filters' plain conditions, or [`NONE`].
    parts: Box<[Ordinal]>,
    /// Parts of their rules' rule-level states, or [`NONE`] if an event leaves nothing there.
    levels: Box<[Ordinal]>,
    /// The distinct ways in which plain conditions are folded.
    pub(super) plain: Vec<Plain>,
    /// Each rule, by its position.
    pub(super) rules: Vec<RuleFolds>,
    /// Whether a rule leaves something in its rule-level state at each event.
    has_levels: bool,
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
    /// At its trigger event.
    AtTrigger,
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
    /// Whether the rule has neither guards nor rule-level state, so that a plain fold concerns nothing else.
    pub(super) alone: bool,
}

/// How an event is folded into a plain condition.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    /// Whether the condition has steps.
    pub(super) steps: bool,
    /// Its window.
    pub(super) window: WindowPlan,
    /// Its calculator.
    pub(super) program: Arc<Program>,
    /// Fields that the calculator reads, in the order of its inputs.
    pub(super) inputs: [Option<Field>; INPUTS],
}

impl Folds {
    /// Folds of a book, whose rules have these parts.
    pub(super) fn new(book: &RuleBook, parts: &[RuleParts]) -> Self {
        let rules: Vec<_> = book.rules.iter().map(|plan| RuleFolds::new(plan)).collect();
        let (mut ways, mut known) = (Vec::new(), HashMap::new());
        let fold = |target: &Target| {
            let own = plain(book, parts, *target);
            let (part, plain) = own.map_or((NONE, NONE), |(part, own)| {
                let key = (Arc::as_ptr(&own.program), own.steps, own.window, own.inputs);
                let new = ways.len() as u32;
                let way = *known.entry(key).or_insert(new);
                if way == new {
                    ways.push(own);
                }
                (part, way)
            });
            Fold { target: *target, part, plain, alone: rules[target.rule()].are_free() }
        };
        let targets: Box<[Fold]> = book.targets.iter().map(fold).collect();
        let level = |target: &Target| match rules[target.rule()].level {
            Level::Nothing => NONE,
            Level::Touch { .. } | Level::Any => parts[target.rule()].level,
        };
        let levels: Box<[Ordinal]> = book.targets.iter().map(level).collect();
        Folds {
            has_levels: levels.iter().any(|level| *level != NONE),
            parts: targets.iter().map(|fold| fold.part).collect(),
            levels,
            plain: ways,
            targets,
            rules,
        }
    }

    /// How an event is folded into the condition of a target, if that is plain.
    #[inline(always)]
    pub(super) fn plain(&self, fold: &Fold) -> Option<&Plain> {
        self.plain.get(fold.plain as usize)
    }

    /// Fetches the fold of the target at a position, if there is one, ahead of its use.
    #[inline(always)]
    pub(super) fn prefetch_fold(&self, targets: &[u32], at: usize) {
        if let Some(fold) = targets.get(at).and_then(|target| self.targets.get(*target as usize)) {
            prefetch(fold);
        }
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

    /// Parts of the rule-level states of the rules that these targets are of.
    #[inline(always)]
    pub(super) fn levels(&self, targets: &[u32]) -> impl Iterator<Item = Ordinal> {
        let targets = if self.has_levels { targets } else { &[] };
        those_of(&self.levels, targets)
    }

    /// Parts of the plain conditions among these targets.
    #[inline(always)]
    pub(super) fn parts(&self, targets: &[u32]) -> impl Iterator<Item = Ordinal> {
        those_of(&self.parts, targets)
    }
}

/// Parts of these targets, as far as they have any.
#[inline(always)]
fn those_of(parts: &[Ordinal], targets: &[u32]) -> impl Iterator<Item = Ordinal> {
    targets.iter().filter_map(|target| parts.get(*target as usize).copied()).filter(|part| *part != NONE)
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
            (TriggerPlan::Event(_), _) => Judged::AtTrigger,
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
        matches!(self.judged, Judged::AtTrigger)
    }

    /// Whether an event concerns the rule whenever it comes, and leaves nothing but folds.
    fn are_free(&self) -> bool {
        self.level == Level::Nothing && self.is_judged_at_trigger() && self.guards.admit_all()
    }

    /// Whether a key's state has to be [brought up](super::changing::begin) to the plan and `now` (unix ms)
    /// before it is changed.
    #[inline]
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
    let Target::Condition { rule, condition, .. } = target else { return None };
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
    Some((part, Plain { steps: condition.steps, window: condition.window, program, inputs }))
}
