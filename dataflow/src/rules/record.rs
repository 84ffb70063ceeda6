//! How rules stand, written where people look: the source's own record of states, the log, the supervisor.

use std::time::Duration;

use operators::{
    document::{fault::Faults, lifecycle::RunState, put::Put},
    model::{epoch::Epoch, ids::Positions},
    rule::register::{InForce, Standing},
};
use sources::rules::RuleSource;

use super::rule_log::RuleLog;
use crate::protocol::{
    figures::RuleFigure,
    message::RuleInForce,
    rules::{FaultyRule, RuleFaults},
    text::{REASON, cut},
};

/// Of change sets with more rules than this only the number is logged.
const LOGGED_EACH: usize = 8;

/// Where and how a change set took force.
pub(super) struct Switch {
    /// First epoch it holds for.
    pub(super) epoch: Epoch,
    /// First offsets it holds for, by partition.
    pub(super) positions: Positions,
    /// From the reading of the change until it was in force.
    pub(super) took: Duration,
    /// Rules that it changed and that have faults.
    pub(super) faults: RuleFaults,
}

/// Writes how rules stand. Blocks as long as the source takes to write; what it refuses is logged.
pub(super) struct Recorder<'f> {
    pub(super) source: &'f mut dyn RuleSource,
    pub(super) log: &'f RuleLog,
}

impl Recorder<'_> {
    /// Records a document that was refused.
    pub(super) fn refused(&mut self, origin: &str, put: &Put, faults: &Faults) {
        for fault in &faults.0 {
            self.log.rejected(origin, &fault.to_string());
        }
        let version = put.version.unwrap_or(0);
        self.write_status(&put.rule_id, version, RunState::Rejected, &faults.to_string());
    }

    /// Records a rule that was quarantined.
    pub(super) fn quarantined(&mut self, rule: &Standing) {
        let reason = rule.reason.as_deref().unwrap_or_default();
        self.log.quarantined(&rule.rule_id, reason);
        self.write_status(&rule.rule_id, rule.version, RunState::Quarantined, reason);
    }

    /// Records a rule that the breaker paused.
    pub(super) fn broken(&mut self, rule: &Standing) {
        let reason = rule.reason.as_deref().unwrap_or_default();
        self.log.broken(&rule.rule_id, reason);
        self.write_status(&rule.rule_id, rule.version, RunState::Paused, reason);
    }

    /// Records a change set that is in force on all workers; `rules` are all rules as they stand.
    pub(super) fn in_force(&mut self, in_force: &InForce, switch: &Switch, rules: &[Standing]) {
        let InForce { changed, resumed } = in_force;
        let Switch { epoch, took, .. } = switch;
        let each = changed.len() <= LOGGED_EACH;
        if !each {
            tracing::info!(
                rules = changed.len(),
                epoch = epoch.0,
                took_ms = took.as_millis() as u64,
                "rules in force"
            );
        }
        for rule in changed {
            let rule_id = &rule.rule_id;
            if let Some(reason) = of_rule(&switch.faults.rejected, rule_id) {
                self.log.rejected(rule_id, reason);
                self.write_status(rule_id, rule.version, RunState::Rejected, reason);
                continue;
            }
            self.log.rule(message(rule, *resumed, switch), each);
            let failing = of_rule(&switch.faults.failing, rule_id);
            if let Some(statements) = failing {
                self.log.failing(rule_id, statements);
            }
            // What a restart merely continues is recorded already, but for what this release has found.
            if !resumed || failing.is_some() {
                self.write_in_force(rule, *epoch, failing);
            }
            if !resumed {
                self.write_live_cut(rule, &switch.positions);
            }
        }
        let figure = |rule: &Standing| {
            let state = rule.state?.as_str().to_owned();
            Some(RuleFigure { rule_id: rule.rule_id.clone(), version: rule.version, state })
        };
        self.log.rules.note_all(rules.iter().filter_map(figure));
        self.log.in_force(*epoch);
    }

    fn write_in_force(&mut self, rule: &Standing, since: Epoch, failing: Option<&str>) {
        // Why a rule was quarantined is written when it is.
        let Some(state) = rule.state.filter(|state| *state != RunState::Quarantined) else { return };
        // Why the breaker paused it is what people have to read.
        let broken = rule.reason.clone().filter(|_| state == RunState::Paused);
        let detail = broken.unwrap_or_else(|| match failing {
            None => format!("in force since epoch {since}"),
            Some(statements) => format!(
                "in force since epoch {since}, with statements that never work: {statements}; correct them and publish the rule again"
            ),
        });
        self.write_status(&rule.rule_id, rule.version, state, &detail);
    }

    fn write_live_cut(&mut self, rule: &Standing, positions: &Positions) {
        // A quarantine is no version in force.
        if rule.state.is_none_or(|state| state == RunState::Quarantined) {
            return;
        }
        if let Err(error) = self.source.write_live_cut(&rule.rule_id, rule.version, positions) {
            self.log
                .warn(&format!("the offsets at which {} took force can't be written: {error}", rule.rule_id));
        }
    }

    fn write_status(&mut self, rule_id: &str, version: u64, state: RunState, detail: &str) {
        if let Err(error) = self.source.write_status(rule_id, version, state, &cut(detail, REASON)) {
            self.log.warn(&format!("the status of {rule_id} can't be written: {error}"));
        }
    }
}

/// Fault of a rule.
fn of_rule<'f>(rules: &'f [FaultyRule], rule_id: &str) -> Option<&'f str> {
    rules.iter().find(|rule| rule.rule_id == rule_id).map(|rule| rule.faults.as_str())
}

fn message(rule: &Standing, resumed: bool, switch: &Switch) -> RuleInForce {
    RuleInForce {
        rule_id: rule.rule_id.clone(),
        version: rule.version,
        state: rule.state.map_or("removed", RunState::as_str).to_owned(),
        epoch: switch.epoch,
        took_ms: switch.took.as_millis() as u64,
        resumed,
        live_cut: (!resumed).then(|| switch.positions.as_map().clone()),
    }
}

#[cfg(test)]
mod tests {
    use operators::model::ids::{Offset, PartitionId};
    use sources::{SourceError, rules::RuleChange};

    use super::*;
    use crate::{protocol::figures::RuleBoard, telemetry::messenger::Messenger};

    /// Statuses and cuts as written, by rule.
    #[derive(Default)]
    struct Written(Vec<String>);

    impl RuleSource for Written {
        fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
            Ok(Vec::new())
        }

        fn write_status(
            &mut self,
            rule_id: &str,
            version: u64,
            state: RunState,
            detail: &str,
        ) -> Result<(), SourceError> {
            self.0.push(format!("{rule_id} {version} {} {detail}", state.as_str()));
            Ok(())
        }

        fn write_live_cut(&mut self, rule_id: &str, _: u64, _: &Positions) -> Result<(), SourceError> {
            self.0.push(format!("{rule_id} cut"));
            Ok(())
        }
    }

    fn written(resumed: bool) -> Vec<String> {
        let standing = |rule_id: &str| Standing {
            rule_id: rule_id.to_owned(),
            version: 3,
            state: Some(RunState::Live),
            reason: None,
        };
        let fault = |rule_id: &str, faults: &str| {
            vec![FaultyRule { rule_id: rule_id.to_owned(), faults: faults.to_owned() }]
        };
        let switch = Switch {
            epoch: Epoch(7),
            positions: [(PartitionId(0), Offset(9))].into(),
            took: Duration::ZERO,
            faults: RuleFaults { rejected: fault("c", "no rule"), failing: fault("b", "line 1: `+` fails") },
        };
        let changed = ["a", "b", "c"].map(standing).to_vec();
        let mut source = Written::default();
        let log = RuleLog { messenger: Messenger::default(), rules: RuleBoard::default() };
        let in_force = InForce { changed: changed.clone(), resumed };
        Recorder { source: &mut source, log: &log }.in_force(&in_force, &switch, &changed);
        source.0
    }

    #[test]
    fn a_rule_in_force_with_statements_that_never_work_says_so_though_it_was_in_force_before() {
        let failing = "b 3 live in force since epoch 7, with statements that never work: \
                       line 1: `+` fails; correct them and publish the rule again";
        assert_eq!(written(true), [failing, "c 3 rejected no rule"]);
        let plain = "a 3 live in force since epoch 7";
        assert_eq!(written(false), [plain, "a cut", failing, "b cut", "c 3 rejected no rule"]);
    }
}
