//! All rules as of one position of the binlog.
//!
//! MariaDB says at which position a snapshot was taken. MySQL does not, and its binlog runs a little ahead of what
//! transactions see: a transaction in the binlog may not be visible yet. So there the position is read first, then every
//! row is locked for a moment, which waits for the transactions that were under way, then the snapshot is opened. What
//! lies between position and snapshot is seen twice, which row images by primary key absorb; but meanwhile a rule may go
//! back to an earlier state, so nothing is passed on before the position read *after* the snapshot has been reached.
//!
//! Whoever keeps a row locked for long must not keep all rules back. So after a while the snapshot is taken all the same; but
//! it may lack what was being committed, and another one is due once every row could be locked.

use std::{collections::BTreeMap, time::Duration};

use mysql_async::{Conn, Value, prelude::Queryable};

use super::{
    TABLE,
    columns::Columns,
    connect::{ANSWER, Database, Failure, within},
    position::Position,
    server,
};
use crate::rules::row::Row;

/// How long opening a snapshot may take, waiting for transactions included.
const OPEN: Duration = Duration::from_secs(30);
/// How long the transactions under way are waited for, seconds.
const UNDER_WAY: u32 = 10;
/// Somebody holds a row for longer.
const LOCKED: u16 = 1205;
/// Between two attempts to wait for them, if the server is away.
const AGAIN: Duration = Duration::from_secs(5);

/// All rules.
pub(super) struct Snapshot {
    pub(super) rows: BTreeMap<String, Row>,
    pub(super) columns: Columns,
    /// Where to go on from.
    pub(super) start: Position,
    /// Up to where what comes may already be in the rows.
    pub(super) until: Position,
    /// Whether all that is in the binlog before `start` is in the rows.
    pub(super) sure: bool,
}

/// Takes a snapshot; `exact` asks the server for its position, if it can tell.
pub(super) async fn take(conn: &mut Conn, database: &Database, exact: bool) -> Result<Snapshot, Failure> {
    let (start, exact, sure) = within(OPEN, open(conn, exact)).await?;
    let columns = within(ANSWER, Columns::read(conn, database)).await?;
    let rows = rows(conn).await?;
    within(ANSWER, conn.query_drop("COMMIT")).await?;
    let until = if exact { start.clone() } else { within(ANSWER, server::position(conn)).await? };
    Ok(Snapshot { rows, columns, start, until, sure })
}

/// Waits until what may be missing from a snapshot that is not sure can be seen by another one.
pub(super) async fn until_visible(database: &Database) -> Failure {
    loop {
        match locked_once(database).await {
            Ok(true) => {
                return Failure::Gap("rules that were locked when all were read are free now".to_owned());
            }
            Ok(false) => {}
            // Whoever follows the binlog says so.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

async fn locked_once(database: &Database) -> Result<bool, Failure> {
    let mut conn = database.connect().await?;
    within(OPEN, wait_for_transactions(&mut conn)).await
}

/// Opens it; where to go on from, whether the snapshot was taken right there, and whether it is sure.
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

async fn rows(conn: &mut Conn) -> Result<BTreeMap<String, Row>, Failure> {
    let select = format!("SELECT {} FROM {TABLE}", Columns::SELECT.join(", "));
    let mut result = within(ANSWER, conn.query_iter(select)).await?;
    let mut rows = BTreeMap::new();
    while let Some(row) = within(ANSWER, result.next()).await? {
        let values: Vec<Value> = row.unwrap();
        if let Some(row) = Row::selected(values) {
            rows.insert(row.rule_id.clone(), row);
        }
    }
    Ok(rows)
}

/// A transaction holds its rows from before it is in the binlog until it is visible. False if somebody still holds one.
async fn wait_for_transactions(conn: &mut Conn) -> Result<bool, Failure> {
    conn.query_drop(format!("SET SESSION innodb_lock_wait_timeout = {UNDER_WAY}")).await?;
    match conn.query_drop(format!("SELECT rule_id FROM {TABLE} LOCK IN SHARE MODE")).await {
        Ok(()) => Ok(true),
        Err(mysql_async::Error::Server(error)) => {
            tracing::debug!(%error, "the rule table can't be locked for a moment");
            // What is only being written is visible after this while; where we may not lock, there is no more to be had.
            conn.query_drop("DO SLEEP(1)").await?;
            Ok(error.code != LOCKED)
        }
        Err(other) => Err(other.into()),
    }
}
