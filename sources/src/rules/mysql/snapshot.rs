//! All rules as of one position of the binlog.
//!
//! MariaDB says at which position a snapshot was taken. MySQL does not, and its binlog runs a little ahead of what
//! transactions see: a transaction in the binlog may not be visible yet. So there the position is read first, then every
//! row is locked for a moment, which waits for the transactions that were under way, then the snapshot is opened. What
//! lies between position and snapshot is seen twice, which row images by primary key absorb; but meanwhile a rule may go
//! back to an earlier state, so nothing is passed on before the position read *after* the snapshot has been reached.

use std::{collections::BTreeMap, time::Duration};

use mysql_async::{Conn, Value, prelude::Queryable};

use super::{
    TABLE,
    columns::Columns,
    connect::{ANSWER, Database, Failure, within},
    position::Position,
    row::Row,
    server,
};

/// How long opening a snapshot may take, waiting for transactions included.
const OPEN: Duration = Duration::from_secs(30);
/// How long the transactions under way are waited for, seconds; one that is only now being written takes less.
const UNDER_WAY: u32 = 10;

/// All rules.
pub(super) struct Snapshot {
    pub(super) rows: BTreeMap<String, Row>,
    pub(super) columns: Columns,
    /// Where to go on from.
    pub(super) start: Position,
    /// Up to where what comes may already be in the rows.
    pub(super) until: Position,
}

/// Takes a snapshot; `exact` asks the server for its position, if it can tell.
pub(super) async fn take(conn: &mut Conn, database: &Database, exact: bool) -> Result<Snapshot, Failure> {
    let (start, exact) = within(OPEN, open(conn, exact)).await?;
    let columns = within(ANSWER, Columns::read(conn, database)).await?;
    let rows = rows(conn).await?;
    within(ANSWER, conn.query_drop("COMMIT")).await?;
    let until = if exact { start.clone() } else { within(ANSWER, server::position(conn)).await? };
    Ok(Snapshot { rows, columns, start, until })
}

/// Opens it; where to go on from, and whether the snapshot was taken right there.
async fn open(conn: &mut Conn, exact: bool) -> Result<(Position, bool), Failure> {
    let before = server::position(conn).await?;
    conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let exact = exact && server::snapshot_position(conn).await?.is_some();
    if !exact {
        wait_for_transactions(conn).await?;
    }
    conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    match server::snapshot_position(conn).await? {
        Some(at) if exact => Ok((at, true)),
        _ => Ok((before, false)),
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

/// A transaction holds its rows from before it is in the binlog until it is visible.
async fn wait_for_transactions(conn: &mut Conn) -> Result<(), Failure> {
    conn.query_drop(format!("SET SESSION innodb_lock_wait_timeout = {UNDER_WAY}")).await?;
    match conn.query_drop(format!("SELECT rule_id FROM {TABLE} LOCK IN SHARE MODE")).await {
        // Somebody holds a row for long, or we may not lock: what is only being written is visible after this while.
        Err(mysql_async::Error::Server(error)) => {
            tracing::debug!(%error, "the rule table can't be locked for a moment");
            conn.query_drop("DO SLEEP(1)").await?;
            Ok(())
        }
        other => Ok(other?),
    }
}
