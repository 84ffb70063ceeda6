//! States of rules in `rule_status`: of each version of each rule the latest.

use std::time::{SystemTime, UNIX_EPOCH};

use mysql_async::{Conn, Error, prelude::Queryable};

use super::background::Note;
use operators::document::lifecycle::RunState;

/// Longest detail that is stored, bytes; `TEXT` holds four times as many.
const DETAIL: usize = 16_000;

/// State of a version of a rule.
#[derive(Clone, Debug)]
pub(super) struct RuleStatus {
    state: RunState,
    detail: String,
    /// Time of the state, seconds since 1970.
    at: f64,
}

impl RuleStatus {
    /// A state as of now; `detail` is truncated to `DETAIL`.
    pub(super) fn now(state: RunState, detail: &str) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |at| at.as_secs_f64());
        let end = (0..=DETAIL.min(detail.len())).rev().find(|end| detail.is_char_boundary(*end));
        RuleStatus { state, detail: detail[..end.unwrap_or(0)].to_owned(), at }
    }
}

impl Note for RuleStatus {
    type Key = (String, u64);
    const WHAT: &'static str = "states of rules";
    const SESSION: Option<&'static str> = None;
    /// Errors about a value: too long, out of range, null, not text.
    const UNFIT: &'static [u16] = &[1406, 1264, 1048, 1366, 1292];

    async fn put(&self, (rule_id, version): &Self::Key, conn: &mut Conn) -> Result<(), Error> {
        let RuleStatus { state, detail, at } = self;
        let state = state.as_str();
        let statement = "INSERT INTO rule_status (rule_id, version, state, detail, at)
            VALUES (?, ?, ?, ?, FROM_UNIXTIME(?))
            ON DUPLICATE KEY UPDATE state = ?, detail = ?, at = FROM_UNIXTIME(?)";
        conn.exec_drop(statement, (rule_id, version, state, detail, at, state, detail, at)).await
    }
}
