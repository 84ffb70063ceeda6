//! Where rules took force, in `live_cut` of their rows: of each rule the latest cut.
//!
//! The reader of the binlog sees these writes, too: as rows that say what they said before, which is no change to it.

use mysql_async::{Conn, Error, prelude::Queryable};

use super::background::Note;

/// From which offsets on a version of a rule is in force.
#[derive(Clone, Debug)]
pub(super) struct LiveCut {
    pub(super) version: u64,
    /// JSON: offsets by partition.
    pub(super) offsets: String,
}

impl Note for LiveCut {
    type Key = String;
    const WHAT: &'static str = "cuts of rules (live_cut)";
    /// Somebody may keep a row locked: then it is tried again, and others meanwhile.
    const SESSION: Option<&'static str> = Some("SET SESSION innodb_lock_wait_timeout = 1");
    /// There is no such column.
    const UNFIT: &'static [u16] = &[1054];

    async fn put(&self, rule_id: &String, conn: &mut Conn) -> Result<(), Error> {
        // A row that has gone on to another version meanwhile gets that one's cut. When people changed a row is theirs to say.
        let statement = "UPDATE rule_engine_resource SET live_cut = ?, update_time = update_time
            WHERE rule_id = ? AND (version IS NULL OR version <= ?)";
        conn.exec_drop(statement, (&self.offsets, rule_id, self.version)).await
    }
}
