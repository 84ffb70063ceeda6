//! The meaning of a row of the rule table, the same in SQLite, MySQL and MariaDB.
//!
//! | column | means |
//! | --- | --- |
//! | `status` | `online`, `paused`, `retired`; `draft` and `in_review` rows do not exist for the engine |
//! | `resume_gap` | `replay` or `skip`: the treatment of the events of the last pause |
//! | `rule_json` | the document; its `rule_id` is that of the row |
//! | `version` | the document's version, where the store has one |
//!
//! **Invariant**: any other value makes the row unreadable, with a reason that names the valid ones.

use operators::document::{
    lifecycle::{Gap, Status},
    put::Put,
    text::{DocumentDigest, DocumentText},
};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    MAX_DOCUMENT,
    document::{self, Unreadable},
};

/// The table of rules that the engine follows.
pub(super) const TABLE: &str = "rule_engine_resource";

/// One row of the rule table, with uninterpreted values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) rule_id: String,
    pub(super) version: Option<u64>,
    pub(super) status: String,
    pub(super) resume_gap: String,
    /// `rule_json`, or the reason why it is no text.
    pub(super) document: Result<DocumentText, Unreadable>,
    /// Digest of `rule_json`.
    pub(super) digest: DocumentDigest,
}

/// A change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowChange {
    /// Rule id of the row before the change; `None` for a new row.
    pub(super) before: Option<String>,
    /// The row after the change; `None` for a deleted one.
    pub(super) after: Option<Row>,
}

impl Row {
    /// Builds a row from its columns; `json` is `rule_json` as bytes.
    pub(super) fn new(
        rule_id: String,
        version: Option<u64>,
        status: String,
        resume_gap: String,
        json: Vec<u8>,
    ) -> Row {
        let (document, digest) = text(json);
        Row { rule_id, version, status, resume_gap, document, digest }
    }

    /// Digest of all values that affect the engine.
    pub(super) fn mark(&self) -> u128 {
        let head = format!("{:?} {} {} ", self.version, self.status, self.resume_gap);
        xxh3_128(&[head.as_bytes(), &self.digest.to_bytes()].concat())
    }

    /// Interprets the row as what is stored of its rule; `None` for a draft.
    pub(super) fn read(self) -> Option<Result<Put, Unreadable>> {
        let status = match self.status.as_str() {
            "draft" | "in_review" => return None,
            "online" => Status::Online,
            "paused" => Status::Paused,
            "retired" => Status::Retired,
            other => {
                return Some(Err(Unreadable(format!(
                    "`status` is {other:?}; write draft, in_review, online, paused or retired"
                ))));
            }
        };
        let Some(gap) = Gap::parse(&self.resume_gap) else {
            let reason = format!("`resume_gap` is {:?}; write replay or skip", self.resume_gap);
            return Some(Err(Unreadable(reason)));
        };
        if let Some(version) = self.version.filter(|version| *version > MAX_VERSION) {
            let reason = format!("`version` is {version}; write 1 to {MAX_VERSION}, or NULL");
            return Some(Err(Unreadable(reason)));
        }
        let (rule_id, version) = (self.rule_id, self.version);
        let document = self.document.and_then(|document| match document::rule_id(&document)? {
            id if id == rule_id => Ok(document),
            id => Err(Unreadable(format!(
                "`rule_json` is of rule `{id}`, its row of `{rule_id}`; write the same id in both"
            ))),
        });
        Some(document.map(|document| Put { rule_id, document, status, version, gap }))
    }
}

/// Highest version of a row: the engine numbers versions above it.
const MAX_VERSION: u64 = i64::MAX as u64;

/// Text of a document, or the reason why it is none; and the digest of its bytes.
fn text(json: Vec<u8>) -> (Result<DocumentText, Unreadable>, DocumentDigest) {
    if json.len() as u64 > MAX_DOCUMENT {
        let reason =
            format!("`rule_json` is longer than {MAX_DOCUMENT} bytes; give large crowds as a profile query");
        return (Err(Unreadable(reason)), DocumentDigest::of(&json));
    }
    match String::from_utf8(json).map(DocumentText::from) {
        Ok(text) => {
            let digest = text.digest();
            (Ok(text), digest)
        }
        Err(error) => {
            let reason = "`rule_json` is not UTF-8".to_owned();
            (Err(Unreadable(reason)), DocumentDigest::of(error.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, gap: &str, json: &[u8]) -> Row {
        Row::new("a".to_owned(), Some(3), status.to_owned(), gap.to_owned(), json.to_vec())
    }

    #[test]
    fn every_status_has_its_meaning() {
        for (text, status) in
            [("online", Status::Online), ("paused", Status::Paused), ("retired", Status::Retired)]
        {
            let document = DocumentText::from(r#"{"rule_id":"a"}"#);
            let (rule_id, version) = ("a".to_owned(), Some(3));
            let put = Put { rule_id, document: document.clone(), status, version, gap: Gap::Skip };
            assert_eq!(row(text, "skip", document.as_bytes()).read(), Some(Ok(put)));
        }
        for draft in ["draft", "in_review"] {
            assert_eq!(row(draft, "later", b"\xff").read(), None);
        }
    }

    #[test]
    fn a_value_without_a_meaning_is_named_with_what_to_write() {
        let json = br#"{"rule_id":"a"}"#;
        for (row, what) in [
            (
                row("onlin", "replay", json),
                "`status` is \"onlin\"; write draft, in_review, online, paused or retired",
            ),
            (row("online", "later", json), "`resume_gap` is \"later\"; write replay or skip"),
            (row("online", "replay", b"{\xff"), "`rule_json` is not UTF-8"),
            (row("online", "replay", b"{}"), "write one JSON object with `rule_id`"),
            (
                row("online", "replay", br#"{"rule_id":"b"}"#),
                "is of rule `b`, its row of `a`; write the same id in both",
            ),
        ] {
            let read = row.read();
            assert!(matches!(&read, Some(Err(Unreadable(reason))) if reason.contains(what)), "{read:?}");
        }
        let document = br#"{"rule_id":"a"}"#;
        for (version, refused) in [(u64::MAX, true), (MAX_VERSION + 1, true), (MAX_VERSION, false)] {
            let read = Row { version: Some(version), ..row("online", "replay", document) }.read();
            let said = format!("`version` is {version}; write 1 to 9223372036854775807, or NULL");
            assert_eq!(
                matches!(&read, Some(Err(Unreadable(reason))) if *reason == said),
                refused,
                "{read:?}"
            );
        }
        let long = row("online", "replay", &vec![b' '; MAX_DOCUMENT as usize + 1]);
        assert!(long.document.unwrap_err().0.contains("give large crowds as a profile query"));
    }

    #[test]
    fn a_mark_differs_with_every_value_that_matters() {
        let one = row("online", "replay", b"{}");
        assert_eq!(one.mark(), row("online", "replay", b"{}").mark());
        for other in [
            row("paused", "replay", b"{}"),
            row("online", "skip", b"{}"),
            row("online", "replay", b"{ }"),
            Row { version: None, ..one.clone() },
        ] {
            assert_ne!(one.mark(), other.mark());
        }
    }
}
