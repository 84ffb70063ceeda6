//! The rule book: all rules of one instant. The [catalog](super::catalog) makes it.

use std::{collections::HashMap, sync::Arc};

use super::{candidates::Candidates, field_sets::FieldSets, plan::RulePlan};
use crate::{
    filter::Index,
    model::{field::Fields, ids::BookGeneration, key::KeyFields},
};

/// The part of a rule to which a filter of the index belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A step of a condition (0 without steps).
    Condition {
        /// Position of the rule in the book.
        rule: u32,
        /// Position of the condition in the rule.
        condition: u16,
        /// Number of the step.
        step: u16,
    },
    /// A rule's trigger event.
    Trigger {
        /// Position of the rule in the book.
        rule: u32,
    },
}

impl Target {
    /// Position of the condition in the rule; `None` of a trigger event.
    pub fn condition(self) -> Option<u16> {
        match self {
            Target::Condition { condition, .. } => Some(condition),
            Target::Trigger { .. } => None,
        }
    }

    /// Position of the rule in the book.
    pub fn rule(self) -> usize {
        match self {
            Target::Condition { rule, .. } | Target::Trigger { rule } => rule as usize,
        }
    }
}

/// The rule book: all rules of one instant. Immutable; shared by the workers of a process.
#[derive(Debug)]
pub struct RuleBook {
    /// Generation of the book; 0 is the empty book.
    pub generation: BookGeneration,
    /// The rules, ascending by id.
    pub rules: Vec<Arc<RulePlan>>,
    /// Whether each rule has a crowd, by position of the rule.
    pub has_crowd: Vec<bool>,
    /// Names of fields.
    pub fields: Fields,
    /// Distinct `key_by` of all rules.
    pub keys: Vec<KeyFields>,
    /// Routing seed of each distinct `key_by`.
    pub key_seeds: Vec<u64>,
    /// Index of the `key_by` of each rule, by position of the rule.
    pub rule_key: Vec<u32>,
    /// Part to which each filter of the index belongs. Of one rule: its conditions in their order, the steps
    /// of each from the last to the first, then its trigger. An event is folded in this order wherever that makes a
    /// difference.
    pub targets: Vec<Target>,
    /// Fields whose values `evaluate` needs when a filter matches, by filter.
    pub needs: FieldSets,
    /// Finds the filters that an event matches.
    pub index: Index,
    /// Targets of the units of the index.
    pub candidates: Candidates,
    pub(super) by_slot: HashMap<u32, usize>,
}

impl RuleBook {
    /// The rule of a target, and the id of the condition; of a trigger that of none.
    pub fn condition(&self, target: Target) -> (&RulePlan, &str) {
        let plan = &*self.rules[target.rule()];
        match target {
            Target::Condition { condition, .. } => (plan, &plan.conditions[usize::from(condition)].id),
            Target::Trigger { .. } => (plan, ""),
        }
    }

    /// Position of the rule in a slot, if the book has one there.
    pub fn at_slot(&self, slot: u32) -> Option<usize> {
        self.by_slot.get(&slot).copied()
    }
}
