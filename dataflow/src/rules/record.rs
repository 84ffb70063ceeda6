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
    /// Rules that a process could not compile after all, by id, with the reason.
    pub(super) rejected: Vec<(String, String)>,
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
            let rejected = switch.rejected.iter().find(|(rule_id, _)| *rule_id == rule.rule_id);
            if let Some((rule_id, reason)) = rejected {
                self.log.rejected(rule_id, reason);
                self.write_status(rule_id, rule.version, RunState::Rejected, reason);
                continue;
            }
            self.log.rule(message(rule, *resumed, switch), each);
            if !resumed {
                self.write_in_force(rule, switch);
            }
        }
        let figure = |rule: &Standing| {
            let state = rule.state?.as_str().to_owned();
            Some(RuleFigure { rule_id: rule.rule_id.clone(), version: rule.version, state })
        };
        self.log.rules.note_all(rules.iter().filter_map(figure));
        self.log.in_force(*epoch);
    }

    fn write_in_force(&mut self, rule: &Standing, switch: &Switch) {
        // Why a rule was quarantined is written when it is.
        let Some(state) = rule.state.filter(|state| *state != RunState::Quarantined) else { return };
        // Why the breaker paused it is what people have to read.
        let broken = rule.reason.clone().filter(|_| state == RunState::Paused);
        let detail = broken.unwrap_or_else(|| format!("in force since epoch {}", switch.epoch));
        self.write_status(&rule.rule_id, rule.version, state, &detail);
        if let Err(error) = self.source.write_live_cut(&rule.rule_id, rule.version, &switch.positions) {
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
