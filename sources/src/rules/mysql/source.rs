//! The engine's side: changes found by the reader; states to `rule_status`, cuts to `live_cut`.

use std::{
    thread,
    time::{Duration, Instant},
};

use operators::{document::lifecycle::RunState, model::ids::Positions};
use tokio::{
    runtime::Builder,
    sync::mpsc::{Receiver, channel, error::TryRecvError},
};

use super::{
    MysqlConfig,
    audit::Audit,
    background::Writer,
    columns::Columns,
    connect::{ANSWER, Database, Failure, Fault, within},
    live_cut::LiveCut,
    reader::{self},
    server::Server,
    session::{Message, Session},
    status::RuleStatus,
};
use crate::{
    SourceError,
    rules::{
        RuleChange, RuleSource,
        book::{Book, Pending, Versions},
        offsets_json,
    },
};

/// Upper bound of messages that the reader is ahead of the polls.
const READ_AHEAD: usize = 64;
/// Longest wait of a poll for the first snapshot.
const FIRST: Duration = Duration::from_secs(5);
/// Interval at which such a poll looks for it.
const LOOK: Duration = Duration::from_millis(5);

/// Follows the rules in MySQL or MariaDB by its binlog.
///
/// A poll never queries the server: it returns the whole transactions that a thread has read meanwhile. Only
/// the first polls block, up to 5 s each, until the first snapshot is there. While the server is away polls
/// return nothing, or [`SourceError::Away`] before the first snapshot, and writes are queued.
#[derive(Debug)]
pub struct MysqlRules {
    label: String,
    messages: Receiver<Message>,
    book: Book,
    pending: Pending,
    started: bool,
    /// The reason why the server was away last, until rules are read.
    away: Option<String>,
    fatal: Option<Fault>,
    statuses: Writer<RuleStatus>,
    cuts: Writer<LiveCut>,
}

impl MysqlRules {
    /// Connects, checks the server and its tables, and starts to follow; a server that is away is followed once
    /// it is there. Blocks; must not be called from async code.
    ///
    /// # Errors
    /// If the URL can't be used, the server refuses, its tables do not exist or are unfit, or its settings keep
    /// changes out of its binlog: the message names the line for my.cnf.
    pub fn open(config: &MysqlConfig) -> Result<Self, SourceError> {
        Self::open_with(config, true)
    }

    /// As [`open`](Self::open); `exact`: whether to ask the server for a snapshot's position, if it reports
    /// one.
    pub(super) fn open_with(config: &MysqlConfig, exact: bool) -> Result<Self, SourceError> {
        let database = Database::parse(&config.url)?;
        let label = database.label.clone();
        let failed = |error: std::io::Error| SourceError::Thread {
            name: label.clone(),
            what: format!("could not be started ({error})"),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let checked = runtime.block_on(check(&database));
        runtime.shutdown_background();
        let taken = match checked {
            Ok(server) => server.server_id,
            // The reader checks its server again, whenever it connects.
            Err(Failure::Away(_)) => 0,
            Err(failure) => return Err(failure.at(&label)),
        };
        let server_id = match config.server_id {
            Some(server_id) if server_id == taken || server_id == 0 => {
                let reason = format!("is {server_id}, the server's own; give another one or none");
                return Err(SourceError::Setting { setting: "server_id", reason });
            }
            Some(server_id) => server_id,
            None => another_id(taken),
        };
        let (sender, messages) = channel(READ_AHEAD);
        let statuses = Writer::start("rules.mysql.status", database.clone())?;
        let cuts = Writer::start("rules.mysql.cut", database.clone())?;
        let audit = Audit::new(config.compare_every);
        reader::start(Session::new(database, server_id, sender, exact, audit))?;
        Ok(MysqlRules {
            label,
            messages,
            book: Book::new(Versions::Unchecked),
            pending: Pending::default(),
            started: false,
            away: None,
            fatal: None,
            statuses,
            cuts,
        })
    }

    /// Receives the reader's messages, up to one that needs intervention.
    fn receive(&mut self) -> Result<(), SourceError> {
        for _ in 0..=READ_AHEAD {
            match self.messages.try_recv() {
                Ok(Message::Snapshot(rows)) => {
                    self.pending.replace(rows);
                    (self.started, self.away) = (true, None);
                }
                Ok(Message::Transaction(changes)) => self.pending.apply(changes),
                Ok(Message::Away(reason)) => self.away = Some(reason),
                Ok(Message::Refused(fault)) => return Err(fault.at(&self.label)),
                Ok(Message::Fatal(fault)) => {
                    self.fatal = Some(fault.clone());
                    return Err(fault.at(&self.label));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(SourceError::Thread { name: self.label.clone(), what: "died".to_owned() });
                }
            }
        }
        Ok(())
    }
}

impl RuleSource for MysqlRules {
    fn poll(&mut self) -> Result<Vec<RuleChange>, SourceError> {
        if let Some(fault) = &self.fatal {
            return Err(fault.clone().at(&self.label));
        }
        let deadline = Instant::now() + FIRST;
        loop {
            self.receive()?;
            if self.started {
                return Ok(self.book.differences(std::mem::take(&mut self.pending)));
            }
            if let Some(reason) = &self.away {
                let (store, reason) = (self.label.clone(), reason.clone());
                return Err(SourceError::Away { store, reason });
            }
            if Instant::now() >= deadline {
                let fault = Fault::new(
                    "no rules read yet",
                    "check that the server answers; they are read as soon as it does",
                );
                return Err(fault.at(&self.label));
            }
            thread::sleep(LOOK);
        }
    }

    fn write_status(
        &mut self,
        rule_id: &str,
        version: u64,
        state: RunState,
        detail: &str,
    ) -> Result<(), SourceError> {
        self.statuses.write((rule_id.to_owned(), version), RuleStatus::now(state, detail))
    }

    fn write_live_cut(&mut self, rule_id: &str, version: u64, cut: &Positions) -> Result<(), SourceError> {
        self.cuts.write(rule_id.to_owned(), LiveCut { version, offsets: offsets_json(cut) })
    }
}

/// Connects and checks that the server and its tables can be followed.
async fn check(database: &Database) -> Result<Server, Failure> {
    let mut conn = database.connect().await?;
    let server = within(ANSWER, Server::check(&mut conn, &database.name)).await?;
    within(ANSWER, Columns::read(&mut conn, database)).await?;
    Ok(server)
}

/// A random id other than the server's; a clash with one of the 2³² others is unlikely.
fn another_id(server: u32) -> u32 {
    loop {
        let id = rand::random_range(1..=u32::MAX);
        if id != server {
            return id;
        }
    }
}
