//! Metrics of rules, as reported by process 0.
//!
//! At most [`NAMED`](crate::protocol::figures::NAMED) rules are named; the rest counts as `other`.

use std::fmt;

use super::super::{
    board::ClusterStatus,
    page::{BARE, Labels, Metric, Page, plain},
};
use crate::protocol::figures::{ByRule, RuleFigure};

const RULES: Metric = plain("rules", "Rules by state");
const RULE: Metric = plain("rule_info", "A rule, its version and its state");
const REJECTED: Metric = plain("rules_rejected", "Rule documents that were refused");
const QUARANTINED: Metric =
    plain("rules_quarantined", "Times that a rule was stopped because its calls failed");
const BROKEN: Metric =
    plain("rules_broken", "Times that the breaker paused a rule because it fired too much");
const TRIGGERS: Metric = plain("rule_triggers", "Triggers of a rule");
const FAILURES: Metric = plain("rule_failed_calls", "Calls and expressions of a rule that failed");

fn by_rule(counts: Option<&ByRule>) -> impl Iterator<Item = (Labels, u64)> {
    counts
        .into_iter()
        .flat_map(|counts| &counts.0)
        .map(|(rule, count)| (vec![("rule", rule.clone())], *count))
}

pub(super) fn write(page: &mut Page<'_>, status: &ClusterStatus) -> fmt::Result {
    let first = status.processes.get(&0).map(|latest| &latest.numbers);
    let rules = first.map(|_| &status.rules);
    let states = rules.into_iter().flat_map(|r| {
        let states = [("live", r.live), ("paused", r.paused), ("quarantined", r.quarantined)];
        states.map(|(state, count)| (vec![("state", state.to_owned())], count))
    });
    page.gauge(RULES, states)?;
    let each = rules.into_iter().flat_map(|r| &r.each).map(|rule| {
        let RuleFigure { rule_id, version, state } = rule.clone();
        (vec![("rule", rule_id), ("version", version.to_string()), ("state", state)], 1_u64)
    });
    page.gauge(RULE, each)?;
    page.counter(REJECTED, rules.map(|r| (BARE, r.rejections)))?;
    page.counter(QUARANTINED, rules.map(|r| (BARE, r.quarantines)))?;
    page.counter(BROKEN, rules.map(|r| (BARE, r.breaks)))?;
    page.counter(TRIGGERS, by_rule(status.sink().map(|sink| &sink.counts)))?;
    page.counter(FAILURES, by_rule(first.map(|numbers| &numbers.failures)))
}
