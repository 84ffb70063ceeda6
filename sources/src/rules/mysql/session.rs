//! One connected stretch of following: from a snapshot, or from where the last one broke off, until something fails.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use mysql_async::{BinlogStream, BinlogStreamRequest, prelude::Queryable};
use tokio::sync::mpsc::Sender;

use super::{
    columns::Columns,
    connect::{ANSWER, Database, Failure, Fault, within},
    event::{self, Watched},
    position::Position,
    server::Server,
    snapshot,
    tail::{Harmless, Tail},
};
use crate::rules::row::{Row, RowChange};

/// What the reader has to say.
#[derive(Debug)]
pub(super) enum Message {
    /// All rows there are.
    Snapshot(BTreeMap<String, Row>),
    /// A whole transaction.
    Transaction(Vec<RowChange>),
    /// Somebody has to do something.
    Refused(Fault),
    /// Reading has ended for good.
    Fatal(Fault),
}

/// The server speaks at least this often, in nanoseconds.
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// A server that says nothing for so long is gone: a dead peer's connection would stay silent for ever.
const SILENCE: Duration = Duration::from_secs(5);
/// So often in a row reading may break off at one place of the binlog; then what stands there is passed by.
const STOPS: u32 = 3;

/// Follows the rule table.
pub(super) struct Session {
    pub(super) database: Database,
    pub(super) server_id: u32,
    pub(super) sender: Sender<Message>,
    /// Whether to ask the server for a snapshot's position, if it can tell.
    exact: bool,
    /// Where the last stretch stood, unless a snapshot is due.
    following: Option<Following>,
    /// What earlier tails learned.
    harmless: Harmless,
    stops: Stops,
    /// Transactions read since the last failure.
    pub(super) progress: u64,
    /// The server is away, and that was said.
    pub(super) outage: bool,
}

/// What is needed to go on.
struct Following {
    server: Server,
    columns: Columns,
    tail: Tail,
    /// Whether the snapshot had all that is before the tail.
    sure: bool,
}

/// Where reading broke off while the server was there, and how often in a row. A server that can't be reached stops
/// nothing: it is waited for.
#[derive(Default)]
struct Stops {
    at: Option<Position>,
    times: u32,
}

impl Stops {
    /// Whether it has broken off there too often; then counting begins anew.
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
    pub(super) fn new(database: Database, server_id: u32, sender: Sender<Message>, exact: bool) -> Self {
        Session {
            database,
            server_id,
            sender,
            exact,
            following: None,
            harmless: Harmless::new(),
            stops: Stops::default(),
            progress: 0,
            outage: false,
        }
    }

    /// Follows until something fails.
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
        // What has come out is not read again. What has not settled is worth nothing, and where an event can't be taken
        // there is no going on.
        if settling.is_none() && !matches!(ended, Err(Failure::Gap(_) | Failure::Refused(_))) {
            self.following = Some(following);
        } else {
            self.harmless = following.tail.into_harmless();
        }
        ended
    }

    /// Passes on what the binlog says, until something fails.
    async fn stream(
        &mut self,
        following: &mut Following,
        settling: &mut Option<Settling>,
    ) -> Result<std::convert::Infallible, Failure> {
        let mut stream = self.open(following).await?;
        loop {
            self.settle(following, settling).await?;
            let changes = self.read(&mut stream, following).await?;
            if std::mem::take(&mut self.outage) {
                tracing::info!(store = %self.database.label, "the rules' database is back");
            }
            let Some(changes) = changes else { continue };
            self.progress += 1;
            match settling {
                Some(settling) => settling.apply(changes),
                None if changes.is_empty() => {}
                None => self.pass(Message::Transaction(changes)).await?,
            }
        }
    }

    /// Asks for the binlog from where reading stands, on a connection of its own.
    async fn open(&self, following: &Following) -> Result<BinlogStream, Failure> {
        let mut conn = self.database.connect().await?;
        let period = format!(
            "SET @master_heartbeat_period = {HEARTBEAT_NS}, @source_heartbeat_period = {HEARTBEAT_NS}"
        );
        within(SILENCE, conn.query_drop(period)).await?;
        if following.server.mariadb {
            // Otherwise MariaDB sends made-up statements in place of its own events.
            within(SILENCE, conn.query_drop("SET @mariadb_slave_capability = 4")).await?;
        }
        let at = following.tail.at();
        let request =
            BinlogStreamRequest::new(self.server_id).with_filename(at.file.as_bytes()).with_pos(at.offset);
        within(SILENCE, conn.get_binlog_stream(request)).await
    }

    /// Reads one event; what a transaction changed, at its commit.
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
        let step = event::read(&event, stream, &watched)?;
        following.tail.step(step, event.header().log_pos())
    }

    /// Passes the snapshot on once the binlog has reached what may be in it already.
    async fn settle(&self, following: &Following, settling: &mut Option<Settling>) -> Result<(), Failure> {
        if let Some(settled) = settling.take_if(|settling| following.tail.has_passed(&settling.until)) {
            self.pass(Message::Snapshot(settled.rows)).await?;
        }
        Ok(())
    }

    async fn pass(&self, message: Message) -> Result<(), Failure> {
        // Nobody wants it any more; the reader ends by itself.
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
    /// In a new stream of events, if that of this server can go on from the last one.
    fn go_on(self, server: &Server) -> Option<Following> {
        let tail = if self.server == *server { self.tail.go_on() } else { None };
        if tail.is_none() {
            tracing::info!(server = %server.identity, "it can't be told what came between: reading all rules");
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
