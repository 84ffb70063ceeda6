//! What a process tells as it happens: into the log, and as JSON to whoever watches it.

use serde_json::{Value as Json, json};

use crate::{
    protocol::{figures::RuleBoard, text::cut},
    telemetry::reporter::Reporter,
};

/// Bytes of a reason that are told. A fault may quote what is wrong, however long that is.
pub const REASON: usize = 4_096;

/// Says what happens to rules: into the log, and to the supervisor.
#[derive(Clone)]
pub struct News {
    /// To the supervisor.
    pub reporter: Reporter,
    /// Where it is noted for worker 0's numbers.
    pub rules: RuleBoard,
}

impl News {
    fn send(&self, body: Json) {
        self.reporter.send(body);
    }

    /// Something is wrong and will be tried again.
    pub fn warn(&self, message: &str) {
        tracing::warn!("{message}");
    }

    /// A document was refused.
    pub fn rejected(&self, origin: &str, reason: &str) {
        let reason = &*cut(reason, REASON);
        tracing::warn!(origin, reason, "rule refused");
        self.rules.note(|numbers| numbers.rejections += 1);
        self.send(json!({"rejected": {"origin": origin, "reason": reason}}));
    }

    /// A rule was quarantined.
    pub fn quarantined(&self, rule_id: &str, reason: &str) {
        let reason = &*cut(reason, REASON);
        tracing::warn!(rule_id, reason, "rule quarantined");
        self.rules.note(|numbers| numbers.quarantines += 1);
        self.send(json!({"quarantined": {"rule_id": rule_id, "reason": reason}}));
    }

    /// The breaker paused a rule.
    pub fn broken(&self, rule_id: &str, reason: &str) {
        tracing::warn!(rule_id, reason, "rule paused by the breaker");
        self.rules.note(|numbers| numbers.breaks += 1);
        self.send(json!({"broken": {"rule_id": rule_id, "reason": reason}}));
    }

    /// A rule's change is in force on all workers.
    pub fn rule(&self, change: &Json, log: bool) {
        if log {
            tracing::info!(%change, "rule in force");
        }
        self.send(json!({"rule": change}));
    }

    /// A change set is in force on all workers.
    pub fn in_force(&self, epoch: u64) {
        self.send(json!({"in_force": epoch}));
    }
}
