//! Rules from MySQL or MariaDB.
//!
//! The console, the operators and the engine share the tables, and plain SQL on `rule_engine_resource` is
//! enough to publish, edit, pause or delete a rule.
//!
//! [`MysqlRules`] is the engine's side: a consistent snapshot, then the row events of the binlog, transaction
//! by transaction. [`MysqlStore`] is the users' side: publish, pause, roll back. [`migrate`] creates the
//! tables.
//!
//! - `source`: the engine's side; `reader`, `session`: the thread behind it, and one connection of the thread
//! - `snapshot`, `position`, `event`, `statement`, `tail`: rows at one position of the binlog, and the
//!   transactions after it
//! - `audit`: comparison of the rules passed on with the table
//! - `server`, `columns`, `row`: checks of server and table, and rows read from both
//! - `background`, `status`, `live_cut`, `mark`: notes written to the tables in the background
//! - `store`, `store_rows`: the users' side, and its statements
//! - `connect`, `migrate`: connections and their failures; the tables
//!
//! | server variable | required value |
//! | --- | --- |
//! | `log_bin` | `ON` |
//! | `binlog_format` | `ROW` |
//! | `binlog_row_image` | `FULL` |
//! | `log_bin_compress` (MariaDB) | `OFF` |
//! | `binlog_do_db`, `binlog_ignore_db` | empty, or values that do not exclude this database |
//! | `log_replica_updates` (`log_slave_updates` in MariaDB) | `ON` on a replica; checked if permitted |
//! | `binlog_row_metadata` | preferably `FULL`: columns are then checked by name in every event |
//!
//! All other variables are free, `gtid_mode`, `binlog_checksum`, `binlog_transaction_compression` and
//! `binlog_row_value_options` included. Tested with MariaDB 10.11 and MySQL 9.7, the latter also with the
//! defaults of 8.x.
//!
//! The engine's user needs `SELECT` on the tables, `INSERT, UPDATE` on `rule_status`, `UPDATE (live_cut,
//! update_time)` on `rule_engine_resource`, and `REPLICATION SLAVE, REPLICATION CLIENT` (`BINLOG MONITOR` in
//! MariaDB).
//!
//! **Invariant**: after an interruption, reading continues only if the transaction that was read last is
//! still at its position. Otherwise, as on another server or one that was restored to an earlier state, all
//! rules are read again. Every minute the rules passed on are compared with the table: if a row differs, as after
//! a change without the binlog (`sql_log_bin = 0`), all rules are read again, too.
//!
//! **Limits**: changes by an XA transaction are found by reading all rules once it is committed, so XA is
//! unsuitable for busy rule tables. Columns that are `COMPRESSED` (MariaDB) are refused, since their events
//! can't be read, and so are foreign keys that change rules by cascade, since the binlog may omit their
//! effects. On MySQL a snapshot waits up to 10 s for locks on rows of the rule table.

mod audit;
mod background;
mod columns;
mod connect;
mod event;
mod live_cut;
mod mark;
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

use std::{fmt, time::Duration};

pub use mark::MysqlMark;
pub use migrate::migrate;
pub use source::MysqlRules;
pub use store::MysqlStore;

use super::row::TABLE;

/// Settings of the connection to the rule table.
#[derive(Clone)]
pub struct MysqlConfig {
    /// `mysql://USER:PASSWORD@HOST:PORT/DATABASE`; characters other than letters and digits in user and
    /// password are written `%XX`. For TLS add `?require_ssl=true`, and `verify_ca=false` or
    /// `verify_identity=false` to check less.
    pub url: String,
    /// Server id under which the binlog is read, different from the server's and from those of all its other
    /// readers; random if absent.
    pub server_id: Option<u32>,
    /// Interval at which all rules are compared with the rows of the table, to find changes that were kept out
    /// of the binlog.
    pub compare_every: Duration,
}

/// Default of [`MysqlConfig::compare_every`].
const COMPARE_EVERY: Duration = Duration::from_secs(60);

impl MysqlConfig {
    /// Settings with a random server id.
    pub fn new(url: impl Into<String>) -> Self {
        MysqlConfig { url: url.into(), server_id: None, compare_every: COMPARE_EVERY }
    }
}

impl fmt::Debug for MysqlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL contains the password.
        f.debug_struct("MysqlConfig").field("server_id", &self.server_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
