//! Rules from MySQL or MariaDB: the tables are the console's, the operators' and the engine's alike, and plain SQL on
//! `rule_engine_resource` is enough to publish, edit, pause or delete a rule.
//!
//! [`MysqlRules`] is the engine's side: a consistent snapshot, then the row events of the binlog, transaction by
//! transaction. [`MysqlStore`] is the side of people: publish, pause, roll back. [`migrate`] makes the tables.
//!
//! | the server | has to say |
//! | --- | --- |
//! | `log_bin` | `ON` |
//! | `binlog_format` | `ROW` |
//! | `binlog_row_image` | `FULL` |
//! | `log_bin_compress` (MariaDB) | `OFF` |
//! | `binlog_do_db`, `binlog_ignore_db` | nothing, or what leaves this database in |
//! | `log_replica_updates` (`log_slave_updates` in MariaDB) | `ON`, if it is a replica; that is checked where the user may ask |
//! | `binlog_row_metadata` | best `FULL`: columns are then checked by name in every event |
//!
//! All else is as it may be: `gtid_mode`, `binlog_checksum`, `binlog_transaction_compression` and `binlog_row_value_options`.
//! Tested with MariaDB 10.11 and MySQL 9.7, the latter also with what 8.x has for defaults.
//!
//! The engine's user needs `SELECT` on the tables, `INSERT, UPDATE` on `rule_status`, `UPDATE (live_cut, update_time)` on
//! `rule_engine_resource`, and `REPLICATION SLAVE, REPLICATION CLIENT` (`BINLOG MONITOR` in MariaDB).
//!
//! **Invariant**: after a break, reading goes on only if the transaction that was read last still stands in its place.
//! Otherwise, as on another server or one that was put back to an earlier state, all rules are read anew.
//!
//! **Limits**: what an XA transaction changes is found by reading all rules once it is committed, so XA is not for busy
//! rule tables. Columns that are `COMPRESSED` (MariaDB) are refused, since their events can't be read, and so are foreign keys
//! that change rules by cascade, since the binlog may be silent about what they do. On MySQL a snapshot waits up to 10 s for
//! whoever holds a row of the rule table.

mod background;
mod columns;
mod connect;
mod event;
mod live_cut;
mod migrate;
mod position;
mod reader;
mod row;
mod server;
mod session;
mod snapshot;
mod source;
mod statement;
mod status;
mod store;
mod store_rows;
mod tail;

use std::fmt;

pub use migrate::migrate;
pub use source::MysqlRules;
pub use store::MysqlStore;

use super::row::TABLE;

/// Where rules are read from, and as whom.
#[derive(Clone, Default)]
pub struct MysqlConfig {
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`; signs other than letters and digits in user and password are written
    /// `%XX`. For TLS add `?require_ssl=true`, and `verify_ca=false` or `verify_identity=false` to check less.
    pub url: String,
    /// The id under which the binlog is read, different from the server's and from all its readers'; a random one if
    /// absent.
    pub server_id: Option<u32>,
}

impl MysqlConfig {
    /// Reads from `url`, under a random server id.
    pub fn new(url: impl Into<String>) -> Self {
        MysqlConfig { url: url.into(), server_id: None }
    }
}

impl fmt::Debug for MysqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL has the password in it.
        f.debug_struct("MysqlConfig").field("server_id", &self.server_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
