//! Rules of the checkpoint that the source of rules has not listed.
//!
//! They are retired once every document of the source can be read. A document that cannot be read, and does
//! not say whose it is, may be any rule's: until it is mended or gone, all of them stay in force.

use std::collections::BTreeSet;

use sources::rules::{Change, RuleChange};

/// Rules that are missing, and documents that may be theirs.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Rules of which no document was listed.
    unseen: BTreeSet<String>,
    /// Origins of unreadable documents whose rule is not known.
    unknown: BTreeSet<String>,
}

impl Missing {
    /// Rules none of whose documents was listed yet.
    pub(super) fn new(rules: impl Iterator<Item = String>) -> Self {
        Missing { unseen: rules.collect(), unknown: BTreeSet::new() }
    }

    /// Receives changes of the source; returns the rules that are gone, each once, as soon as that is
    /// certain.
    pub(super) fn receive(&mut self, changes: &[RuleChange]) -> BTreeSet<String> {
        let before = self.unknown.clone();
        for change in changes {
            if let Some(rule_id) = change.rule_id() {
                self.unseen.remove(rule_id);
            }
            if matches!(change.change, Change::Unreadable { rule_id: None, .. }) {
                self.unknown.insert(change.origin.clone());
            } else {
                self.unknown.remove(&change.origin);
            }
        }
        if self.unknown.is_empty() {
            return std::mem::take(&mut self.unseen);
        }
        if self.unknown != before && !self.unseen.is_empty() {
            tracing::warn!(
                rules = ?self.unseen, unreadable = ?self.unknown,
                "rules without a document stay in force until every document can be read, because an unreadable one may be theirs; fix or delete the unreadable documents"
            );
        }
        BTreeSet::new()
    }
}

#[cfg(test)]
mod tests {
    use operators::document::{
        lifecycle::{Gap, Status},
        put::Put,
    };

    use super::*;

    fn change(origin: &str, change: Change) -> RuleChange {
        RuleChange { origin: origin.to_owned(), change }
    }

    fn unreadable(rule_id: Option<&str>) -> Change {
        Change::Unreadable { rule_id: rule_id.map(str::to_owned), reason: "it breaks off".to_owned() }
    }

    fn put(rule_id: &str) -> Change {
        let (rule_id, document) = (rule_id.to_owned(), "{}".into());
        Change::Put(Put { rule_id, document, status: Status::Online, version: None, gap: Gap::Replay })
    }

    fn missing() -> Missing {
        Missing::new(["a", "b", "c"].map(str::to_owned).into_iter())
    }

    #[test]
    fn what_was_not_seen_is_gone_once_everything_can_be_read() {
        let mut missing = missing();
        let first = [change("1", put("a")), change("2", unreadable(None)), change("3", unreadable(None))];
        assert!(missing.receive(&first).is_empty());
        assert!(missing.receive(&[]).is_empty());
        assert!(missing.receive(&[change("2", put("b"))]).is_empty(), "mended, and b's");
        let deleted = change("3", Change::Remove { rule_id: None });
        assert_eq!(missing.receive(&[deleted]), ["c".to_owned()].into());
        assert!(missing.receive(&[]).is_empty(), "returned once");
    }

    #[test]
    fn an_unreadable_document_of_a_known_rule_holds_nothing_up() {
        let first = [change("1", unreadable(Some("a"))), change("2", put("b"))];
        assert_eq!(missing().receive(&first), ["c".to_owned()].into());
    }
}
