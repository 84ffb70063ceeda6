//! Events in the life of rules: logged, counted, and sent to the supervisor.

use operators::model::epoch::Epoch;

use crate::{
    protocol::{
        figures::RuleBoard,
        message::{Message, Rejection, RuleInForce, Stopped},
        text::{REASON, cut},
    },
    telemetry::messenger::Messenger,
};

/// Logs what becomes of rules, counts it for worker 0's numbers, and sends it to the supervisor. Never
/// blocks.
#[derive(Clone)]
pub struct RuleLog {
    /// To the supervisor.
    pub messenger: Messenger,
    /// Counts and states for the numbers of worker 0.
    pub rules: RuleBoard,
}

impl RuleLog {
    /// Logs a fault that will be tried again.
    pub fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }

    /// Records a refused document.
    pub fn rejected(&self, origin: &str, reason: &str) {
        let reason = &*cut(reason, REASON);
        tracing::warn!(origin, reason, "rule refused");
        self.rules.note(|numbers| numbers.rejections += 1);
        let (origin, reason) = (origin.to_owned(), reason.to_owned());
        self.messenger.send(Message::Rejected(Rejection { origin, reason }));
    }

    /// Logs a rule that is in force with statements that fail whenever they are reached.
    pub fn failing(&self, rule_id: &str, statements: &str) {
        let statements = &*cut(statements, REASON);
        tracing::warn!(rule_id, statements, "rule in force with statements that never work");
    }

    /// Records a rule that was quarantined.
    pub fn quarantined(&self, rule_id: &str, reason: &str) {
        let reason = &*cut(reason, REASON);
        tracing::warn!(rule_id, reason, "rule quarantined");
        self.rules.note(|numbers| numbers.quarantines += 1);
        self.messenger.send(Message::Quarantined(stopped(rule_id, reason)));
    }

    /// Records a rule that the breaker paused.
    pub fn broken(&self, rule_id: &str, reason: &str) {
        tracing::warn!(rule_id, reason, "rule paused by the breaker");
        self.rules.note(|numbers| numbers.breaks += 1);
        self.messenger.send(Message::Broken(stopped(rule_id, reason)));
    }

    /// Records a change of one rule that is in force on all workers; `log` says whether it gets a line in the
    /// log.
    pub fn rule(&self, change: RuleInForce, log: bool) {
        let message = Message::Rule(change);
        if log {
            tracing::info!(change = %message.to_json()["rule"], "rule in force");
        }
        self.messenger.send(message);
    }

    /// Records a change set that is in force on all workers from `epoch` on.
    pub fn in_force(&self, epoch: Epoch) {
        self.messenger.send(Message::InForce(epoch));
    }
}

fn stopped(rule_id: &str, reason: &str) -> Stopped {
    Stopped { rule_id: rule_id.to_owned(), reason: reason.to_owned() }
}
