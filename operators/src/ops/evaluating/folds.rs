//! Folds: the targets of the index's filters, laid out for the loop over a record's targets.
//!
//! Most conditions are *plain*: of a rule without rule-level state, guards and pauses, with a compiled
//! calculator. Folding an event into them concerns nothing but their own words, so it needs nothing of their
//! rule's plan.

use std::sync::Arc;

use crate::{
    calculator::Program,
    model::field::Field,
    rule::{
        book::{RuleBook, Target},
        plan::{RulePlan, WindowPlan},
    },
    state::{RuleParts, layout::Ordinal},
};

/// Most properties that the calculator of a plain condition reads.
pub(super) const INPUTS: usize = 3;

/// Target of a filter, with its fold.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    /// The part of the rule.
    pub(super) target: Target,
    /// The fold, if it is plain.
    pub(super) plain: Option<Plain>,
}

/// Fold into a plain condition.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    /// Its part.
    pub(super) part: Ordinal,
    /// Whether the condition has steps.
    pub(super) steps: bool,
    /// Its window.
    pub(super) window: WindowPlan,
    /// Its calculator.
    pub(super) program: Arc<Program>,
    /// Fields that the calculator reads, in the order of its inputs.
    pub(super) inputs: [Option<Field>; INPUTS],
}

/// Folds of all filters of a book, by their positions.
pub(super) fn folds(book: &RuleBook, parts: &[RuleParts]) -> Vec<Fold> {
    let plain: Vec<bool> = book.rules.iter().map(|plan| is_plain(plan)).collect();
    let fold = |target: &Target| match *target {
        Target::Condition { rule, condition, .. } if plain[rule as usize] => Fold {
            target: *target,
            plain: plain_fold(&book.rules[rule as usize], &parts[rule as usize], condition.into()),
        },
        target => Fold { target, plain: None },
    };
    book.targets.iter().map(fold).collect()
}

fn is_plain(plan: &RulePlan) -> bool {
    let spec = &plan.spec;
    let guarded = spec.late.is_some() || spec.active.from.is_some() || spec.active.until.is_some();
    !plan.rule_level && plan.skipped.is_empty() && !guarded
}

fn plain_fold(plan: &RulePlan, parts: &RuleParts, condition: usize) -> Option<Plain> {
    let (part, plan) = (parts.conditions[condition], &plan.conditions[condition]);
    if plan.inputs.len() > INPUTS || !plan.program.folds_compiled() {
        return None;
    }
    let mut inputs = [None; INPUTS];
    inputs.iter_mut().zip(&plan.inputs).for_each(|(to, field)| *to = Some(*field));
    let program = Arc::clone(&plan.program);
    Some(Plain { part, steps: plan.steps, window: plan.window, program, inputs })
}
