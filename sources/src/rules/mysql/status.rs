//! States of rules in `rule_status`: of each version of each rule the latest one.

use std::time::{SystemTime, UNIX_EPOCH};

use mysql_async::{Conn, Error, prelude::Queryable};

use super::background::Note;
use operators::document::lifecycle::RunState;

/// The longest detail that is kept, bytes; `TEXT` holds four times that.
const DETAIL: usize = 16_000;

/// What became of a version of a rule.
#[derive(Clone, Debug)]
pub(super) struct RuleStatus {
    state: RunState,
    detail: String,
    /// When it was, seconds since 1970.
    at: f64,
}

impl RuleStatus {
    /// What it is now.
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
    /// About a value: too long, out of range, null, not text.
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
