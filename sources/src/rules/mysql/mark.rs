//! The mark of the state, in a row of `rule_status`; written in the background.

use mysql_async::{Conn, Error, prelude::Queryable};
use tokio::runtime::Builder;

use super::{
    MysqlConfig,
    background::{Note, Writer},
    connect::{ANSWER, Database, Failure, within},
};
use crate::{
    SourceError,
    rules::mark::{MarkPlace, STATE, row_of},
};

/// Place of the mark of a checkpoint store, in MySQL or MariaDB.
pub struct MysqlMark {
    database: Database,
    row: String,
    writer: Writer<Mark>,
}

/// A mark to be written.
#[derive(Clone, Debug)]
struct Mark(String);

impl Note for Mark {
    type Key = String;
    const WHAT: &'static str = "marks of the state";
    const SESSION: Option<&'static str> = None;
    const UNFIT: &'static [u16] = &[];

    async fn put(&self, row: &String, conn: &mut Conn) -> Result<(), Error> {
        let statement = "INSERT INTO rule_status (rule_id, version, state, detail) VALUES (?, 0, ?, ?)
            ON DUPLICATE KEY UPDATE state = ?, detail = ?, at = CURRENT_TIMESTAMP(3)";
        conn.exec_drop(statement, (row, STATE, &self.0, STATE, &self.0)).await
    }
}

impl MysqlMark {
    /// The place for the checkpoint store that is called `store`, up to 57 characters. The server need not be
    /// there.
    ///
    /// # Errors
    /// If the URL can't be used.
    pub fn new(config: &MysqlConfig, store: &str) -> Result<Self, SourceError> {
        let database = Database::parse(&config.url)?;
        let writer = Writer::start("state.mark", database.clone())?;
        Ok(MysqlMark { database, row: row_of(store), writer })
    }

    async fn select(&self) -> Result<Option<String>, Failure> {
        let mut conn = self.database.connect().await?;
        let select = "SELECT detail FROM rule_status WHERE rule_id = ? AND version = 0";
        within(ANSWER, conn.exec_first(select, (&self.row,))).await
    }
}

impl MarkPlace for MysqlMark {
    fn name(&self) -> String {
        format!("rule_status of {}", self.database.label)
    }

    fn read(&mut self) -> Result<Option<String>, SourceError> {
        let store = &self.database.label;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
            SourceError::Thread { name: store.clone(), what: format!("could not be started ({error})") }
        })?;
        let read = runtime.block_on(self.select());
        runtime.shutdown_background();
        read.map_err(|failure| match failure {
            Failure::Away(reason) => SourceError::Away { store: store.clone(), reason },
            failure => failure.at(store),
        })
    }

    fn write(&mut self, text: &str) -> Result<(), SourceError> {
        self.writer.write(self.row.clone(), Mark(text.to_owned()))
    }
}
