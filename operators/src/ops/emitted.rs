//! Output of evaluation: triggers, and failures of rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::trigger::Fired;

/// Failed calls and expressions of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleFailure {
    /// The rule.
    pub rule_id: String,
    /// Number of failures.
    pub count: u64,
    /// Message of the last one.
    pub message: String,
}

/// Triggers and failures, buffered until they are sent.
#[derive(Debug, Default)]
pub struct Emitted {
    /// Triggers, in the order in which they fired.
    pub triggers: Vec<Fired>,
    /// Failures by rule.
    pub failures: BTreeMap<String, RuleFailure>,
}

impl Emitted {
    /// Adds a failure of a rule.
    pub(super) fn fail(&mut self, rule_id: &str, message: String) {
        let failure = self.failures.entry(rule_id.to_owned()).or_insert_with(|| RuleFailure {
            rule_id: rule_id.to_owned(),
            count: 0,
            message: String::new(),
        });
        failure.count += 1;
        failure.message = message;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_a_rule_are_counted_and_the_last_message_stays() {
        let mut emitted = Emitted::default();
        emitted.fail("a", "first".to_owned());
        emitted.fail("b", "other".to_owned());
        emitted.fail("a", "last".to_owned());
        let failures: Vec<_> =
            emitted.failures.values().map(|f| (&*f.rule_id, f.count, &*f.message)).collect();
        assert_eq!(failures, [("a", 2, "last"), ("b", 1, "other")]);
    }
}
