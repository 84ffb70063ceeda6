//! Lineage: the versions at which a rule's states began, which decides what a new version keeps.
//!
//! State is named by the rule, the condition and `since`, the version at which that state began. A condition
//! that folds as before keeps its `since`; one that folds differently, and everything of a rule published
//! again after its retirement, gets a number that was never used for the rule. So no edit and no rollback
//! revives dropped state.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    identity::{Identities, Identity},
    plan::RulePlan,
};

/// Beginnings of a rule's states, as of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// Highest version number used so far.
    pub last: u64,
    /// Version at which the document, its crowd included, last changed.
    pub edited: u64,
    /// Version at which the rule-level state (limits, edge, timers) began.
    pub rule: u64,
    /// Whether any version had rule-level state, so that stored states may have it: then every later version
    /// writes it, so that no stored time of a key's last touch is outdated.
    #[serde(default)]
    pub rule_level: bool,
    /// Instant at which a version gave the rule its rule-level state, unix ms, if former versions had none: a
    /// state without a rule-level entry counts as touched then. `None` also in lineages stored before this
    /// instant was recorded.
    #[serde(default)]
    pub level_since: Option<i64>,
    /// `key_by` as JSON; another `key_by` makes all state begin anew.
    pub key: String,
    /// The conditions, in their order.
    pub conditions: Vec<Beginning>,
}

/// A version of a rule that succeeds another.
#[derive(Clone, Copy, Debug)]
pub struct Successor<'p> {
    /// Its plan.
    pub plan: &'p RulePlan,
    /// Its number.
    pub version: u64,
    /// Whether document or crowd differ from the version before.
    pub edited: bool,
    /// Whether people have left the crowd by then.
    pub departed: bool,
    /// Instant at which it is published, unix ms.
    pub at: i64,
}

/// Version at which a condition's state began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// Id of the condition.
    pub id: String,
    /// Hash of everything that determines how the condition folds, in hexadecimal.
    pub hash: String,
    /// Version at which the state began.
    pub since: u64,
}

/// Name of a stored state: the rule, the condition or [`RULE_LEVEL`], and the version at which it began.
pub fn state_name(rule_id: &str, part: &str, since: u64) -> String {
    format!("{rule_id}:{part}:{since}")
}

/// Placeholder for the condition's id in the names of rule-level state.
pub const RULE_LEVEL: &str = "@rule";

impl Lineage {
    /// Lineage of a rule first published with this version.
    pub fn first(plan: &RulePlan, version: u64) -> Self {
        Lineage::default().anew(plan, version)
    }

    /// Lineage of the next version of a rule that is in force.
    #[must_use]
    pub fn next(&self, successor: &Successor<'_>) -> Self {
        let Successor { plan, version, edited, departed, at } = *successor;
        let key = plan.key_text();
        let same_key = key == self.key;
        let next = version.max(self.last + 1);
        let conditions: Vec<Beginning> = plan
            .conditions
            .iter()
            .map(|c| {
                let hash = format!("{:032x}", c.hash);
                let kept = self.conditions.iter().find(|b| b.hash == hash).filter(|_| same_key);
                Beginning { id: c.id.clone(), hash, since: kept.map_or(next, |b| b.since) }
            })
            .collect();
        let rule = if same_key { self.rule } else { next };
        let edited = if edited { next } else { self.edited };
        let had_level = same_key && self.rule_level;
        let rule_level = had_level || plan.makes_rule_level() || departed;
        let level_since = if had_level { self.level_since } else { (same_key && rule_level).then_some(at) };
        let used = conditions.iter().map(|b| b.since).chain([rule, edited]).max().unwrap_or(0);
        Lineage { last: self.last.max(used), edited, rule, rule_level, level_since, key, conditions }
    }

    /// Lineage of a rule published again after it was retired: all state begins anew.
    #[must_use]
    pub fn anew(&self, plan: &RulePlan, version: u64) -> Self {
        let numbers = Lineage { last: self.last, ..Lineage::default() };
        // Without former states neither departures nor the instant matter.
        numbers.next(&Successor { plan, version, edited: true, departed: false, at: 0 })
    }

    /// Names of all states of the rule.
    pub fn names(&self, rule_id: &str) -> Vec<String> {
        let conditions = self.conditions.iter().map(|b| state_name(rule_id, &b.id, b.since));
        conditions.chain([state_name(rule_id, RULE_LEVEL, self.rule)]).collect()
    }

    /// Sets the beginnings of a plan's states; its pause and its departures must be set before.
    pub fn place(&self, plan: &mut RulePlan) {
        plan.edited = self.edited;
        plan.identities = Arc::new(self.identities(plan));
        let lasting = self.rule_level || plan.makes_rule_level() || !plan.departed.is_empty();
        plan.level_since = lasting.then(|| self.level_since.unwrap_or(i64::MIN));
        plan.rule_level = lasting || plan.pause.is_some();
    }

    fn identities(&self, plan: &RulePlan) -> Identities {
        let since = |i: usize| self.conditions.get(i).map_or(0, |b| b.since);
        let conditions = plan
            .conditions
            .iter()
            .enumerate()
            .map(|(i, c)| Identity { hash: c.hash, since: since(i) })
            .collect();
        Identities { rule: self.rule, conditions }
    }
}
