//! What a process tells as it happens: into the log, and as JSON to whoever watches it.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::figures::RuleBoard;
use crate::{cluster::MessageSender, telemetry::Board};

/// Bytes of a reason that are told. A fault may quote what is wrong, however long that is.
pub const REASON: usize = 4_096;

/// The beginning of a text that is longer than `most` bytes, with `…` behind it; else the text.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

/// Says what happens to rules: into the log, and to the supervisor.
#[derive(Clone)]
pub struct News {
    /// To the supervisor.
    pub reporter: Reporter,
    /// Where it is noted for worker 0's numbers.
    pub rules: RuleBoard,
}

/// Who is told what a process shows: the supervisor, if there is one, and whoever reads this process's own metrics.
#[derive(Clone, Default)]
pub struct Reporter {
    /// To the supervisor.
    pub supervisor: Option<MessageSender>,
    /// Of this process's own metrics.
    pub board: Option<Board>,
}

impl Reporter {
    /// Sends a message; one that finds the queue full is dropped, as the next numbers say the same anew.
    pub fn send(&self, body: Json) {
        if let Some(board) = &self.board {
            board.take(&body);
        }
        if let Some(sender) = &self.supervisor {
            let _ = sender.send(body);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!(cut("重庆", 6), "重庆");
        assert_eq!(cut("重庆", 5), "重…");
        assert_eq!(cut("重庆", 2), "…");
    }
}
