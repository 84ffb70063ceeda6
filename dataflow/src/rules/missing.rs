//! Rules of the checkpoint that the source of rules has not been seen to have.
//!
//! They are gone once everything that the source has can be read. A document that can't be, and of which it is not known whose it is,
//! may be anybody's: until it is mended or gone, all of them stay in force.

use std::collections::BTreeSet;

use sources::rules::{Change, RuleChange};

/// What is missing, and what may be it.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Rules that no document was seen of.
    unseen: BTreeSet<String>,
    /// Where the documents of nobody knows whom lie.
    unknown: BTreeSet<String>,
}

impl Missing {
    /// Nothing was seen yet of these rules.
    pub(super) fn new(rules: impl Iterator<Item = String>) -> Self {
        Missing { unseen: rules.collect(), unknown: BTreeSet::new() }
    }

    /// Takes in what the source said; gives the rules that are gone, once that can be told.
    pub(super) fn hear(&mut self, changes: &[RuleChange]) -> BTreeSet<String> {
        let before = self.unknown.clone();
        for RuleChange { origin, rule_id, change } in changes {
            if let Some(rule_id) = rule_id {
                self.unseen.remove(rule_id);
            }
            if rule_id.is_none() && matches!(change, Change::Unreadable { .. }) {
                self.unknown.insert(origin.clone());
            } else {
                self.unknown.remove(origin);
            }
        }
        if self.unknown.is_empty() {
            return std::mem::take(&mut self.unseen);
        }
        if self.unknown != before && !self.unseen.is_empty() {
            tracing::warn!(
                rules = ?self.unseen, unreadable = ?self.unknown,
                "rules without a document go on until every document can be read, as one of those may be theirs; mend or delete them"
            );
        }
        BTreeSet::new()
    }
}

#[cfg(test)]
mod tests {
    use operators::document::lifecycle::{Gap, Status};

    use super::*;

    fn told(origin: &str, rule_id: Option<&str>, change: Change) -> RuleChange {
        RuleChange { origin: origin.to_owned(), rule_id: rule_id.map(str::to_owned), change }
    }

    fn unreadable() -> Change {
        Change::Unreadable { reason: "it breaks off".to_owned() }
    }

    fn put() -> Change {
        Change::Put { document: "{}".to_owned(), status: Status::Online, version: None, gap: Gap::Replay }
    }

    fn missing() -> Missing {
        Missing::new(["a", "b", "c"].map(str::to_owned).into_iter())
    }

    #[test]
    fn what_was_not_seen_is_gone_once_everything_can_be_read() {
        let mut missing = missing();
        let first =
            [told("1", Some("a"), put()), told("2", None, unreadable()), told("3", None, unreadable())];
        assert!(missing.hear(&first).is_empty());
        assert!(missing.hear(&[]).is_empty());
        assert!(missing.hear(&[told("2", Some("b"), put())]).is_empty(), "mended, and b's");
        assert_eq!(missing.hear(&[told("3", None, Change::Remove)]), ["c".to_owned()].into(), "deleted");
        assert!(missing.hear(&[]).is_empty(), "told once");
    }

    #[test]
    fn an_unreadable_document_of_a_known_rule_holds_nothing_up() {
        let first = [told("1", Some("a"), unreadable()), told("2", Some("b"), put())];
        assert_eq!(missing().hear(&first), ["c".to_owned()].into());
    }
}
