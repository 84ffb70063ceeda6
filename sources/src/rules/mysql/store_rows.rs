//! Statements of the store on one rule.

use mysql_async::{Error, Transaction, prelude::Queryable};
use serde_json::{Map, Value, json};

use operators::document::lifecycle::{Gap, Status};

use crate::rules::StoredRule;

/// Total length of documents up to which they are written into the audit, bytes; longer ones are found by
/// their versions.
const AUDITED: usize = 1 << 20;

/// A row of the rule table before a change.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) version: Option<u64>,
    pub(super) status: String,
    pub(super) resume_gap: String,
    pub(super) author: Option<String>,
    pub(super) document: String,
}

impl Stored {
    /// The row for a new version after `before`.
    pub(super) fn following(
        before: Option<&Stored>,
        version: u64,
        document: &str,
        author: Option<&str>,
        status: Option<&str>,
    ) -> Stored {
        let before_author = || before.and_then(|before| before.author.clone());
        let status =
            status.or(before.map(|before| before.status.as_str())).unwrap_or(Status::Online.as_str());
        Stored {
            version: Some(version),
            status: status.to_owned(),
            // The gap is that of a finished pause. A pause that ends now is replayed; a later `resume` sets
            // its own.
            resume_gap: Gap::Replay.as_str().to_owned(),
            author: author.map(str::to_owned).or_else(before_author),
            document: document.to_owned(),
        }
    }
}

/// Reads a rule's row and locks it until the transaction ends.
pub(super) async fn stored(
    transaction: &mut Transaction<'_>,
    rule_id: &str,
) -> Result<Option<Stored>, Error> {
    let statement = "SELECT version, status, resume_gap, author, rule_json FROM rule_engine_resource
        WHERE rule_id = ? FOR UPDATE";
    let row = transaction.exec_first(statement, (rule_id,)).await?;
    Ok(row.map(|(version, status, resume_gap, author, document)| Stored {
        version,
        status,
        resume_gap,
        author,
        document,
    }))
}

/// Keeps a document that was not published through a store, before it is replaced.
pub(super) async fn keep(
    transaction: &mut Transaction<'_>,
    rule_id: &str,
    before: &Stored,
) -> Result<(), Error> {
    let statement = "SELECT rule_json FROM rule_version WHERE rule_id = ? AND version = ?";
    let kept: Option<String> = transaction.exec_first(statement, (rule_id, before.version)).await?;
    let version = match (kept, before.version) {
        (Some(kept), _) if kept == before.document => return Ok(()),
        (None, Some(version)) => version,
        _ => newest(transaction, rule_id).await? + 1,
    };
    insert_version(transaction, rule_id, version, &before.document, before.author.as_deref()).await
}

pub(super) async fn newest(transaction: &mut Transaction<'_>, rule_id: &str) -> Result<u64, Error> {
    let statement = "SELECT COALESCE(MAX(version), 0) FROM rule_version WHERE rule_id = ? FOR UPDATE";
    Ok(transaction.exec_first(statement, (rule_id,)).await?.unwrap_or(0))
}

pub(super) async fn insert_version(
    transaction: &mut Transaction<'_>,
    rule_id: &str,
    version: u64,
    document: &str,
    author: Option<&str>,
) -> Result<(), Error> {
    let statement = "INSERT INTO rule_version (rule_id, version, rule_json, author) VALUES (?, ?, ?, ?)";
    transaction.exec_drop(statement, (rule_id, version, document, author)).await
}

/// The differing fields, before and after.
pub(super) fn diff(before: Option<&Stored>, after: &Stored) -> Value {
    let short = before.map_or(0, |b| b.document.len()) + after.document.len() <= AUDITED;
    let fields = |stored: &Stored, other: Option<&Stored>| {
        let mut fields = Map::new();
        let mut field = |name: &str, value: Value, differs: bool| {
            if differs {
                fields.insert(name.to_owned(), value);
            }
        };
        field("version", json!(stored.version), other.is_none_or(|o| o.version != stored.version));
        field("status", json!(stored.status), other.is_none_or(|o| o.status != stored.status));
        field(
            "resume_gap",
            json!(stored.resume_gap),
            other.is_none_or(|o| o.resume_gap != stored.resume_gap),
        );
        field("author", json!(stored.author), other.is_none_or(|o| o.author != stored.author));
        if short && other.is_none_or(|o| o.document != stored.document) {
            let document = serde_json::from_str(&stored.document).unwrap_or_else(|_| json!(stored.document));
            field("rule_json", document, true);
        }
        Value::Object(fields)
    };
    json!({ "before": before.map(|b| fields(b, Some(after))), "after": fields(after, before) })
}

/// Query for rules with their states: of the versions that the row may have in the engine, the one reported
/// last. Where rows are edited without a version, the engine numbers them, and its refusals have version 0.
pub(super) fn select(filter: &str, document: &str) -> String {
    format!(
        "SELECT r.rule_id, r.version, r.status, r.author, {}, s.state, s.detail, {document}
         FROM rule_engine_resource r
         LEFT JOIN rule_status s ON s.rule_id = r.rule_id AND s.version = (
             SELECT l.version FROM rule_status l
             WHERE l.rule_id = r.rule_id AND (l.version = 0 OR l.version >= COALESCE(r.version, 0))
             ORDER BY l.at DESC, l.version DESC LIMIT 1) {filter}",
        rfc_3339("r.update_time")
    )
}

/// Expression for a `TIMESTAMP(3)` as RFC 3339 text; sessions are in UTC.
pub(super) fn rfc_3339(column: &str) -> String {
    format!("CONCAT(REPLACE(SUBSTRING(CAST({column} AS CHAR), 1, 23), ' ', 'T'), 'Z')")
}

/// Rule, version, status, author, update, state, detail, document.
pub(super) type Listed =
    (String, Option<u64>, String, Option<String>, String, Option<String>, Option<String>, Option<String>);

pub(super) fn listed(
    (rule_id, version, status, author, updated, state, detail, document): Listed,
) -> StoredRule {
    StoredRule {
        origin: format!("rule_engine_resource {rule_id}"),
        rule_id,
        version,
        status,
        author,
        updated: Some(updated),
        state: state.zip(detail),
        document,
    }
}
