//! All rules as of one position of the binlog.
//!
//! MariaDB reports the position of a snapshot. MySQL does not, and its binlog runs a little ahead of what
//! transactions see: a transaction in the binlog may not be visible yet. So there the position is read first,
//! then every row is locked for a moment, which waits for the transactions under way, then the snapshot is
//! opened. Changes between position and snapshot are read twice, which row images by primary key absorb; but
//! meanwhile a rule may go back to an earlier state, so nothing is passed on before the position read *after*
//! the snapshot has been reached.
//!
//! A row that stays locked must not hold back all rules. So after a while the snapshot is taken anyway. It
//! may then lack transactions that were being committed, and another one is due once every row could be
//! locked.

use std::{collections::BTreeMap, time::Duration};

use mysql_async::{Conn, Value, prelude::Queryable};

use super::{
    TABLE,
    columns::Columns,
    connect::{ANSWER, Database, Failure, within},
    position::Position,
    server,
};
use crate::rules::{row::Row, table::Table};

/// Longest time for opening a snapshot, waiting for transactions included.
const OPEN: Duration = Duration::from_secs(30);
/// Longest wait for the transactions under way, seconds.
const UNDER_WAY: u32 = 10;
/// Error code of a lock wait that timed out: a row stayed locked.
const LOCKED: u16 = 1205;
/// Pause between two attempts to wait for them, if the server is away.
const AGAIN: Duration = Duration::from_secs(5);

/// All rules, and their position in the binlog.
pub(super) struct Snapshot {
    pub(super) rows: BTreeMap<String, Row>,
    pub(super) columns: Columns,
    /// Position from which to follow the binlog.
    pub(super) start: Position,
    /// Position up to which transactions may already be in the rows.
    pub(super) until: Position,
    /// Whether everything in the binlog before `start` is in the rows.
    pub(super) sure: bool,
}

/// Takes a snapshot; `exact` asks the server for its position, if it reports one.
pub(super) async fn take(conn: &mut Conn, database: &Database, exact: bool) -> Result<Snapshot, Failure> {
    let (start, exact, sure) = within(OPEN, open(conn, exact)).await?;
    let columns = within(ANSWER, Columns::read(conn, database)).await?;
    let rows = rows(conn).await?;
    within(ANSWER, conn.query_drop("COMMIT")).await?;
    let until = if exact { start.clone() } else { within(ANSWER, server::position(conn)).await? };
    Ok(Snapshot { rows, columns, start, until, sure })
}

/// Waits until transactions that an unsure snapshot may lack are visible to another one.
pub(super) async fn until_visible(database: &Database) -> Failure {
    loop {
        match locked_once(database).await {
            Ok(true) => {
                return Failure::Gap("rules that were locked when all were read are free now".to_owned());
            }
            Ok(false) => {}
            // The failure is reported by the reader of the binlog.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn locked_once(database: &Database) -> Result<bool, Failure> {
    let mut conn = database.connect().await?;
    within(OPEN, wait_for_transactions(&mut conn)).await
}

/// Opens the snapshot; returns the position to continue from, whether the snapshot is at that very position,
/// and whether it is sure.
async fn open(conn: &mut Conn, exact: bool) -> Result<(Position, bool, bool), Failure> {
    let before = server::position(conn).await?;
    conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let exact = exact && server::snapshot_position(conn).await?.is_some();
    let sure = exact || wait_for_transactions(conn).await?;
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    match server::snapshot_position(conn).await? {
        Some(at) if exact => Ok((at, true, true)),
        _ => Ok((before, false, sure)),
    }
}

/// All rows of the table.
pub(super) async fn rows(conn: &mut Conn) -> Result<BTreeMap<String, Row>, Failure> {
    let select = format!("SELECT {} FROM {TABLE}", Columns::SELECT.join(", "));
    let mut result = within(ANSWER, conn.query_iter(select)).await?;
    let mut table = Table::default();
    while let Some(row) = within(ANSWER, result.next()).await? {
        let values: Vec<Value> = row.unwrap();
        Row::selected(values).into_iter().for_each(|row| table.push(row));
    }
    Ok(table.into())
}

/// Waits for transactions under way, which hold locks on their rows from before they are in the binlog until
/// they are visible. Returns false if a row stayed locked.
async fn wait_for_transactions(conn: &mut Conn) -> Result<bool, Failure> {
    conn.query_drop(format!("SET SESSION innodb_lock_wait_timeout = {UNDER_WAY}")).await?;
    match conn.query_drop(format!("SELECT rule_id FROM {TABLE} LOCK IN SHARE MODE")).await {
        Ok(()) => Ok(true),
        Err(mysql_async::Error::Server(error)) => {
            tracing::debug!(%error, "the rule table can't be locked for a moment");
            // Transactions that are only being written are visible after this pause; without the right to
            // lock, this is the best available.
            conn.query_drop("DO SLEEP(1)").await?;
            Ok(error.code != LOCKED)
        }
        Err(other) => Err(other.into()),
    }
}
