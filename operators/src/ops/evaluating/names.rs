//! Names under which states are stored.

use hashbrown::HashMap;

use crate::{
    model::key,
    rule::{
        book::RuleBook,
        lineage::{RULE_LEVEL, state_name},
        plan::RulePlan,
    },
};

/// Part of a rule's state that is stored under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatePart {
    /// Position of the rule in the book.
    pub(super) rule: usize,
    /// Position of the condition; `None` for the rule-level state.
    pub(super) condition: Option<usize>,
}

/// Names of all states of a book's rules.
#[derive(Clone, Debug, Default)]
pub struct StateNames(HashMap<String, StatePart>);

impl StateNames {
    /// Makes the names of all states of a book's rules.
    pub fn of(book: &RuleBook) -> Self {
        let mut names = HashMap::new();
        for (rule, plan) in book.rules.iter().enumerate() {
            let conditions = (0..plan.conditions.len()).map(Some);
            for condition in conditions.chain([None]) {
                names.insert(part_name(plan, condition), StatePart { rule, condition });
            }
        }
        StateNames(names)
    }

    /// Routing hash of a stored state's key; `None` if no rule has such a state.
    pub fn route(&self, book: &RuleBook, name: &str, key: &str) -> Option<u64> {
        let part = self.0.get(name)?;
        Some(key::route(book.key_seeds[book.rule_key[part.rule] as usize], key))
    }

    /// Part that is stored under a name; `None` if no rule has such a state.
    pub(super) fn part(&self, name: &str) -> Option<StatePart> {
        self.0.get(name).copied()
    }

    /// All names, with their parts, in no order.
    #[expect(clippy::disallowed_methods, reason = "what is collected of them is looked up by name")]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, StatePart)> {
        self.0.iter().map(|(name, part)| (name, *part))
    }
}

/// Name of a condition's state, or of the rule-level state.
pub(super) fn part_name(plan: &RulePlan, condition: Option<usize>) -> String {
    match condition {
        Some(c) => state_name(plan.id(), &plan.conditions[c].id, plan.identities.conditions[c].since),
        None => state_name(plan.id(), RULE_LEVEL, plan.identities.rule),
    }
}
