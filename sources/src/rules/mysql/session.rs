//! One session of the reader: from a snapshot, or from where the last session ended, until a failure.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use mysql_async::{BinlogStream, BinlogStreamRequest, prelude::Queryable};
use tokio::sync::mpsc::Sender;

use super::{
    audit::Audit,
    columns::Columns,
    connect::{ANSWER, Database, Failure, Fault, within},
    event::{self, Watched},
    position::Position,
    server::Server,
    snapshot,
    tail::{Harmless, Tail},
};
use crate::rules::row::{Row, RowChange};

/// Message of the reader to the source.
#[derive(Debug)]
pub(super) enum Message {
    /// All rows.
    Snapshot(BTreeMap<String, Row>),
    /// Row changes of one whole transaction.
    Transaction(Vec<RowChange>),
    /// The server is away; it is retried.
    Away(String),
    /// Intervention is needed; reading continues afterwards.
    Refused(Fault),
    /// Reading has ended.
    Fatal(Fault),
}

/// Interval of the server's heartbeats, nanoseconds.
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Silence after which the server counts as gone: the connection of a dead peer would stay silent for ever.
const SILENCE: Duration = Duration::from_secs(5);
/// Consecutive failures at one position of the binlog after which that position is skipped by a new snapshot.
const STOPS: u32 = 3;

/// Follows the rule table.
pub(super) struct Session {
    pub(super) database: Database,
    pub(super) server_id: u32,
    pub(super) sender: Sender<Message>,
    /// Whether to ask the server for a snapshot's position, if it reports one.
    exact: bool,
    /// State at the end of the last session; `None` if a snapshot is due.
    following: Option<Following>,
    /// XA transactions that earlier tails found to be harmless.
    harmless: Harmless,
    stops: Stops,
    audit: Audit,
    /// Transactions read since the last failure.
    pub(super) progress: u64,
    /// Whether the server is away and that was logged.
    pub(super) outage: bool,
}

/// State that a session needs to continue.
struct Following {
    server: Server,
    columns: Columns,
    tail: Tail,
    /// Whether the snapshot contained everything before the start of the tail.
    sure: bool,
}

/// Position at which reading last broke off, and how often in a row. Failures to reach the server are not
/// counted: it is retried.
#[derive(Default)]
struct Stops {
    at: Option<Position>,
    times: u32,
}

impl Stops {
    /// Counts a failure at `at`; returns whether the limit is reached, and then starts to count anew.
    fn too_many(&mut self, at: &Position) -> bool {
        let same = self.at.replace(at.clone()).as_ref() == Some(at);
        self.times = if same { self.times + 1 } else { 1 };
        let too_many = self.times >= STOPS;
        if too_many {
            *self = Stops::default();
        }
        too_many
    }
}

/// Rows of a snapshot that are not to be passed on before the binlog has reached `until`.
struct Settling {
    rows: BTreeMap<String, Row>,
    until: Position,
}

impl Session {
    pub(super) fn new(
        database: Database,
        server_id: u32,
        sender: Sender<Message>,
        exact: bool,
        audit: Audit,
    ) -> Self {
        Session {
            database,
            server_id,
            sender,
            exact,
            following: None,
            harmless: Harmless::new(),
            stops: Stops::default(),
            audit,
            progress: 0,
            outage: false,
        }
    }

    /// Follows the binlog until a failure.
    pub(super) async fn run(&mut self) -> Failure {
        match self.follow().await {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, Failure> {
        let mut conn = self.database.connect().await?;
        let server = within(ANSWER, Server::check(&mut conn, &self.database.name)).await?;
        if server.server_id == self.server_id {
            return Err(Failure::Fatal(Fault::new(
                format!("`server_id` {} is the server's own", self.server_id),
                "give another one, or leave it out for a random one",
            )));
        }
        let mut settling = None;
        let mut following = match self.following.take().and_then(|following| following.go_on(&server)) {
            Some(following) => following,
            None => {
                let taken = snapshot::take(&mut conn, &self.database, self.exact).await?;
                settling = Some(Settling { rows: taken.rows, until: taken.until });
                let tail = Tail::new(taken.start, std::mem::take(&mut self.harmless));
                Following { server, columns: taken.columns, tail, sure: taken.sure }
            }
        };
        drop(conn);
        let (database, sure) = (self.database.clone(), following.sure);
        let visible = async {
            if sure { std::future::pending().await } else { snapshot::until_visible(&database).await }
        };
        let mut ended = tokio::select! {
            ended = self.stream(&mut following, &mut settling) => ended,
            failure = visible => Err(failure),
        };
        if let Err(Failure::Away(reason)) = &ended
            && self.stops.too_many(following.tail.at())
        {
            let at = following.tail.at();
            ended = Err(Failure::Gap(format!("{reason}; {STOPS} times in a row at {at}")));
        }
        // Transactions that were passed on are not read again. A snapshot that was not yet passed on is
        // discarded, and after an event that can't be read a new snapshot is taken.
        if settling.is_none() && !matches!(ended, Err(Failure::Gap(_) | Failure::Refused(_))) {
            self.following = Some(following);
        } else {
            self.harmless = following.tail.into_harmless();
        }
        ended
    }

    /// Passes on transactions of the binlog until a failure.
    async fn stream(
        &mut self,
        following: &mut Following,
        settling: &mut Option<Settling>,
    ) -> Result<std::convert::Infallible, Failure> {
        let mut stream = self.open(following).await?;
        loop {
            self.settle(following, settling).await?;
            if settling.is_none()
                && let Some(rule_id) = self.audit.step(&self.database, &following.tail).await
            {
                return Err(Failure::Gap(format!(
                    "rule `{rule_id}` was changed without the binlog, as with `sql_log_bin = 0`"
                )));
            }
            let changes = self.read(&mut stream, following).await?;
            if std::mem::take(&mut self.outage) {
                tracing::info!(store = %self.database.label, "the rules' database is back");
            }
            let Some(changes) = changes else { continue };
            self.progress += 1;
            match settling {
                Some(settling) => settling.apply(changes),
                None if changes.is_empty() => {}
                None => {
                    self.audit.apply(&changes);
                    self.pass(Message::Transaction(changes)).await?;
                }
            }
        }
    }

    /// Requests the binlog from the tail's position, over a connection of its own.
    async fn open(&self, following: &Following) -> Result<BinlogStream, Failure> {
        let mut conn = self.database.connect().await?;
        let period = format!(
            "SET @master_heartbeat_period = {HEARTBEAT_NS}, @source_heartbeat_period = {HEARTBEAT_NS}"
        );
        within(SILENCE, conn.query_drop(period)).await?;
        if following.server.mariadb {
            // Otherwise MariaDB replaces its own events by dummy statements.
            within(SILENCE, conn.query_drop("SET @mariadb_slave_capability = 4")).await?;
        }
        let at = following.tail.at();
        let request =
            BinlogStreamRequest::new(self.server_id).with_filename(at.file.as_bytes()).with_pos(at.offset);
        within(SILENCE, conn.get_binlog_stream(request)).await
    }

    /// Reads one event; returns the changes of a transaction at its commit.
    async fn read(
        &self,
        stream: &mut BinlogStream,
        following: &mut Following,
    ) -> Result<Option<Vec<RowChange>>, Failure> {
        let event = match tokio::time::timeout(SILENCE, stream.next()).await {
            Err(_) => return Err(Failure::Away(format!("the server is silent for {} s", SILENCE.as_secs()))),
            Ok(None) => return Err(Failure::Away("the server ended the stream".to_owned())),
            Ok(Some(event)) => event?,
        };
        let watched = Watched {
            database: &self.database.name,
            columns: &following.columns,
            any_case: following.server.any_case,
        };
        let step = event::read(&event, |table| stream.get_tme(table), &watched)?;
        following.tail.step(step, event.header().log_pos())
    }

    /// Passes the snapshot on once the binlog has reached the position up to which its rows may be ahead.
    async fn settle(
        &mut self,
        following: &Following,
        settling: &mut Option<Settling>,
    ) -> Result<(), Failure> {
        if let Some(settled) = settling.take_if(|settling| following.tail.has_passed(&settling.until)) {
            self.audit.replace(&settled.rows);
            self.pass(Message::Snapshot(settled.rows)).await?;
        }
        Ok(())
    }

    async fn pass(&self, message: Message) -> Result<(), Failure> {
        // The receiver is dropped; the reader ends by itself.
        self.sender.send(message).await.map_err(|_| Failure::Away("nobody listens".to_owned()))
    }
}

impl Settling {
    fn apply(&mut self, changes: Vec<RowChange>) {
        for RowChange { before, after } in changes {
            if let Some(before) = before {
                self.rows.remove(&before);
            }
            if let Some(after) = after {
                self.rows.insert(after.rule_id.clone(), after);
            }
        }
    }
}

impl Following {
    /// Continues in a new stream of events; `None` if the server is another one, or continuity can't be
    /// verified.
    fn go_on(self, server: &Server) -> Option<Following> {
        let tail = if self.server == *server { self.tail.go_on() } else { None };
        if tail.is_none() {
            tracing::info!(server = %server.identity, "the changes in between are unknown: reading all rules");
        }
        Some(Following { tail: tail?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_breaks_at_one_place_in_a_row_are_too_many() {
        let mut stops = Stops::default();
        let at = |offset| Position { file: "binlog.000001".to_owned(), offset };
        for (offset, too_many) in [
            (4, false),
            (4, false),
            (9, false),
            (4, false),
            (4, false),
            (4, true),
            (4, false),
            (4, false),
            (4, true),
        ] {
            assert_eq!(stops.too_many(&at(offset)), too_many);
        }
    }
}
