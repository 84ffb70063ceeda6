//! Offsets at which rules took force, in `live_cut` of their rows: of each rule the latest cut.
//!
//! The binlog reader receives these writes as well: as rows whose other values are unchanged, which are no
//! change.

use mysql_async::{Conn, Error, prelude::Queryable};

use super::background::Note;

/// Offsets from which on a version of a rule is in force.
#[derive(Clone, Debug)]
pub(super) struct LiveCut {
    pub(super) version: u64,
    /// JSON object: offset by partition.
    pub(super) offsets: String,
}

impl Note for LiveCut {
    type Key = String;
    const WHAT: &'static str = "cuts of rules (live_cut)";
    /// A lock may be held for long: the write is then retried, and other notes are written meanwhile.
    const SESSION: Option<&'static str> = Some("SET SESSION innodb_lock_wait_timeout = 1");
    /// Unknown column.
    const UNFIT: &'static [u16] = &[1054];

    async fn put(&self, rule_id: &String, conn: &mut Conn) -> Result<(), Error> {
        // A row that has moved on to a later version gets the cut of that version. `update_time` is reserved
        // for changes by users.
        let statement = "UPDATE rule_engine_resource SET live_cut = ?, update_time = update_time
            WHERE rule_id = ? AND (version IS NULL OR version <= ?)";
        conn.exec_drop(statement, (&self.offsets, rule_id, self.version)).await
    }
}
