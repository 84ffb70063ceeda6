//! A client for statements, and a follower that checks the changes it receives.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use mysql_async::{Conn, Error, Opts, Params, Result, Row, prelude::FromRow, prelude::Queryable};
use operators::document::lifecycle::{Gap, Status};
use strateye_sources::rules::{Change, MysqlConfig, MysqlRules, RuleChange, RuleSource, migrate_mysql};
use strateye_tests::services::Mysql;
use tokio::runtime::{Builder, Runtime};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Server shared by the tests that do not change it.
static SERVER: LazyLock<Mysql> = LazyLock::new(Mysql::start);

/// Creates a database on the shared server, with all tables; returns its URL.
pub(crate) fn database(name: &str) -> String {
    let root = SERVER.url();
    SERVER.execute(&format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", root.rsplit_once('/').unwrap().0);
    migrate_mysql(&url).unwrap();
    url
}

/// Options that let a transaction change transactional and other tables together, which MySQL refuses while
/// GTIDs are on. MariaDB has no such setting.
pub(crate) const MIXED: [&str; 2] = ["--loose-gtid-mode=OFF", "--loose-enforce-gtid-consistency=OFF"];

/// A connection of a user.
pub(crate) struct Sql {
    url: String,
    /// Whether the server is MariaDB; otherwise it is MySQL.
    pub(crate) mariadb: bool,
    runtime: Runtime,
    conn: Conn,
}

impl Sql {
    pub(crate) fn connect(url: &str) -> Sql {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let conn = runtime.block_on(Conn::new(Opts::from_url(url).unwrap())).unwrap();
        let mut sql = Sql { url: url.to_owned(), mariadb: false, runtime, conn };
        sql.mariadb = sql.rows::<String>("SELECT VERSION()")[0].contains("MariaDB");
        sql
    }

    /// Connects again, after a restart of the server.
    pub(crate) fn reconnect(&mut self) {
        self.conn = self.runtime.block_on(Conn::new(Opts::from_url(&self.url).unwrap())).unwrap();
    }

    pub(crate) fn attempt(&mut self, statement: &str) -> Result<()> {
        self.runtime.block_on(self.conn.query_drop(statement))
    }

    #[track_caller]
    pub(crate) fn run(&mut self, statement: &str) {
        self.attempt(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// Ends a connection, unless it has ended by itself meanwhile.
    #[track_caller]
    pub(crate) fn kill(&mut self, connection: u64) {
        const NO_SUCH_THREAD: u16 = 1094;
        match self.attempt(&format!("KILL CONNECTION {connection}")) {
            Err(Error::Server(error)) if error.code == NO_SUCH_THREAD => {}
            killed => killed.unwrap_or_else(|error| panic!("connection {connection} is not killed: {error}")),
        }
    }

    #[track_caller]
    pub(crate) fn rows<T: FromRow + Send + 'static>(&mut self, query: &str) -> Vec<T> {
        self.runtime.block_on(self.conn.query(query)).unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    pub(crate) fn put(&mut self, rule: &str, text: &str) {
        let statement = "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES (?, ?)
            ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json)";
        let values = Params::from((rule, document(rule, text)));
        self.runtime.block_on(self.conn.exec_drop(statement, values)).unwrap();
    }

    /// The content of the table, as an engine holds it.
    pub(crate) fn held(&mut self) -> Rules {
        let query = "SELECT rule_id, rule_json, status, resume_gap FROM rule_engine_resource
            WHERE status NOT IN ('draft', 'in_review')";
        let rule = |row: Row| {
            let (rule, document, status, gap): (String, String, String, String) = mysql_async::from_row(row);
            let status = match status.as_str() {
                "online" => Status::Online,
                "paused" => Status::Paused,
                _ => Status::Retired,
            };
            (rule, (document, status, Gap::parse(&gap).unwrap()))
        };
        self.rows::<Row>(query).into_iter().map(rule).collect()
    }

    /// File and offset of the end of the binlog.
    pub(crate) fn binlog_end(&mut self) -> (String, u64) {
        let last: Row = self.rows("SHOW BINARY LOGS").pop().unwrap();
        (last.get(0).unwrap(), last.get(1).unwrap())
    }

    /// Resets the binlog, as on a server that is restored to an earlier state.
    pub(crate) fn reset_binlog(&mut self) {
        self.run(if self.mariadb { "RESET MASTER" } else { "RESET BINARY LOGS AND GTIDS" });
    }

    /// Ids of the connections that read the binlog for a database.
    pub(crate) fn dumps(&mut self, database: &str) -> Vec<u64> {
        self.rows(&format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' AND DB = '{database}'"
        ))
    }
}

pub(crate) fn document(rule: &str, text: &str) -> String {
    format!(r#"{{"rule_id":"{rule}","name":"{text}"}}"#)
}

/// Rules by id, as an engine that applies changes holds them.
pub(crate) type Rules = BTreeMap<String, (String, Status, Gap)>;

/// Engine that applies the changes it receives.
pub(crate) struct Follower {
    pub(crate) source: MysqlRules,
    pub(crate) rules: Rules,
    /// Reasons of unreadable rows, and errors of polls.
    pub(crate) said: Vec<String>,
    last: BTreeMap<String, Change>,
}

impl Follower {
    pub(crate) fn open(url: &str) -> Follower {
        Follower::with(&MysqlConfig::new(url))
    }

    pub(crate) fn with(config: &MysqlConfig) -> Follower {
        let source = MysqlRules::open(config).unwrap();
        Follower { source, rules: Rules::new(), said: Vec::new(), last: BTreeMap::new() }
    }

    pub(crate) fn poll(&mut self) {
        let begun = Instant::now();
        let polled = self.source.poll();
        assert!(begun.elapsed() < Duration::from_secs(15), "a poll took {:?}", begun.elapsed());
        match polled {
            Ok(changes) => changes.into_iter().for_each(|change| self.apply(change)),
            Err(error) => self.said.push(error.to_string()),
        }
    }

    fn apply(&mut self, change: RuleChange) {
        let rule = change.rule_id().unwrap().to_owned();
        let RuleChange { origin, change } = change;
        assert_eq!(origin, format!("rule_engine_resource {rule}"));
        let before = self.last.insert(rule.clone(), change.clone());
        assert_ne!(before.as_ref(), Some(&change), "a change of {rule} was repeated");
        match change {
            Change::Put(put) => {
                self.rules.insert(rule, (put.document.to_string(), put.status, put.gap));
            }
            Change::Remove { .. } => {
                assert!(self.rules.remove(&rule).is_some(), "{rule} was removed, and not there")
            }
            Change::Unreadable { reason, .. } => self.said.push(reason),
        }
    }

    /// Polls until `holds` returns true.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Follower) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what} is still not so; said: {:?}", self.said);
            self.poll();
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Polls until the rules equal the content of the table.
    #[track_caller]
    pub(crate) fn catch_up(&mut self, sql: &mut Sql) {
        let held = sql.held();
        let deadline = Instant::now() + DEADLINE;
        while self.rules != held {
            assert!(
                Instant::now() < deadline,
                "{:#?}\nbut the table holds {held:#?}\nsaid: {:?}",
                self.rules,
                self.said
            );
            self.poll();
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn name(&self, rule: &str) -> Option<&str> {
        self.rules.get(rule)?.0.split('"').nth(7)
    }
}

/// Waits until `holds` returns true.
#[track_caller]
pub(crate) fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} is still not so");
        thread::sleep(Duration::from_millis(5));
    }
}
