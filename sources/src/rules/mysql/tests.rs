//! Tests of snapshots during writes, also on servers that do not report a snapshot's position.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use mysql_async::{Conn, Opts, prelude::Queryable};
use strateye_tests::services::Mysql;
use tokio::runtime::Builder;

use super::*;
use crate::rules::{Change, RuleSource};

const DEADLINE: Duration = Duration::from_secs(60);
const SNAPSHOTS: usize = 25;

/// Statements that set two rules to the same number in one transaction.
fn pair(n: u64) -> String {
    let put = |rule: &str| {
        format!(
            "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('{rule}', '{{\"rule_id\":\"{rule}\",\"n\":{n}}}')
             ON DUPLICATE KEY UPDATE rule_json = VALUES(rule_json);"
        )
    };
    format!("START TRANSACTION; {} {} COMMIT;", put("a"), put("b"))
}

fn number(document: &str) -> u64 {
    let digits: String =
        document.rsplit("\"n\":").next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Polls until both rules satisfy `until`, and checks that they never differ and never go back.
fn follow(source: &mut MysqlRules, until: impl Fn(u64) -> bool) {
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    let deadline = Instant::now() + DEADLINE;
    loop {
        for change in source.poll().unwrap() {
            let Change::Put(put) = change.change else { panic!("{change:?}") };
            let n = number(&put.document);
            assert!(
                rules.insert(put.rule_id, n).is_none_or(|before| before < n),
                "it went back or was repeated"
            );
        }
        assert_eq!(rules.get("a"), rules.get("b"));
        if rules.get("a").is_some_and(|n| until(*n)) {
            return;
        }
        assert!(Instant::now() < deadline, "{rules:?}");
        thread::yield_now();
    }
}

#[test]
fn snapshots_beside_a_writer_lose_and_repeat_nothing() {
    let server = Mysql::start();
    migrate(server.url()).unwrap();
    server.execute(&pair(1));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 1;
            while !stop.load(Ordering::Relaxed) {
                let many: String = (0..50).map(|i| pair(n + 1 + i)).collect();
                server.execute(&many);
                n += 50;
            }
            n
        });
        for i in 0..SNAPSHOTS {
            let mut source = MysqlRules::open_with(&MysqlConfig::new(server.url()), i % 2 == 0).unwrap();
            let first = OnceCell::new();
            // Continues for a while after the initial rows.
            follow(&mut source, |n| n >= first.get_or_init(|| n) + 20);
        }
        stop.store(true, Ordering::Relaxed);
        let n = writer.join().unwrap();
        for exact in [true, false] {
            follow(&mut open(&server, exact), |seen| seen == n);
        }
    });
}

fn open(server: &Mysql, exact: bool) -> MysqlRules {
    MysqlRules::open_with(&MysqlConfig::new(server.url()), exact).unwrap()
}

/// A connection that keeps its locks.
struct Held(tokio::runtime::Runtime, Conn);

impl Held {
    fn connect(server: &Mysql) -> Held {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let conn = runtime.block_on(Conn::new(Opts::from_url(server.url()).unwrap())).unwrap();
        Held(runtime, conn)
    }

    fn run(&mut self, statement: &str) {
        self.0.block_on(self.1.query_drop(statement)).unwrap();
    }
}

fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} is still not so");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Changes between the position and the snapshot are in both; they must not be passed on a second time.
#[test]
fn nothing_goes_back_between_the_position_and_the_snapshot() {
    let server = Mysql::start();
    migrate(server.url()).unwrap();
    server.execute(&pair(1));
    let mut writer = Held::connect(&server);
    writer.run("SET autocommit = 0");
    writer.run("LOCK TABLES rule_engine_resource WRITE");
    let mut source = MysqlRules::open_with(&MysqlConfig::new(server.url()), false).unwrap();
    wait("the reader waits", || {
        let waiting = "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'";
        !server.query(waiting).is_empty()
    });
    // More than one poll returns.
    for n in 2..400 {
        for statement in pair(n).split(';').filter(|s| s.contains("INSERT")) {
            writer.run(statement);
        }
        writer.run("COMMIT");
    }
    writer.run("UNLOCK TABLES");
    for change in source.poll().unwrap() {
        let Change::Put(put) = change.change else { panic!("{change:?}") };
        assert_eq!(number(&put.document), 399, "all that is in the snapshot was there before");
    }
    server.execute(&pair(400));
    follow(&mut source, |n| n == 400);
}

/// Makes commits of the server wait `ms` milliseconds for a replica that never connects; returns the role's
/// name in its settings.
fn wait_for_replica(server: &Mysql, ms: u32) -> &'static str {
    let role = if server.is_mariadb() {
        "master"
    } else {
        server.execute("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'");
        "source"
    };
    server.execute(&format!("SET GLOBAL rpl_semi_sync_{role}_timeout = {ms}"));
    role
}

/// Commits a pair that is in the binlog and stays invisible while `meanwhile` runs, until the server's wait
/// ends or `meanwhile` ends it.
fn commit_unseen(server: &Mysql, role: &str, n: u64, meanwhile: impl FnOnce()) {
    server.execute(&pair(n - 1));
    server.execute(&format!("SET GLOBAL rpl_semi_sync_{role}_enabled = ON"));
    let before = server.query("SHOW BINARY LOGS");
    thread::scope(|scope| {
        let writer = scope.spawn(|| server.execute(&pair(n)));
        wait("it is logged", || server.query("SHOW BINARY LOGS") != before);
        let seen = server.query("SELECT rule_json FROM rule_engine_resource WHERE rule_id = 'a'");
        assert_eq!(number(&seen[0]), n - 1, "it was to be invisible");
        meanwhile();
        writer.join().unwrap();
    });
    server.execute(&format!("SET GLOBAL rpl_semi_sync_{role}_enabled = OFF"));
}

const AFTER_SYNC: [&str; 1] = ["--loose-rpl-semi-sync-master-wait-point=AFTER_SYNC"];

/// A transaction in the binlog that is not visible yet: the server waits for a replica that never connects.
#[test]
fn a_transaction_that_is_logged_and_not_visible_yet_is_not_lost() {
    let server = Mysql::start_with(&AFTER_SYNC);
    migrate(server.url()).unwrap();
    let role = wait_for_replica(&server, 4000);
    for (n, exact) in [(2, false), (3, true)] {
        commit_unseen(&server, role, n, || follow(&mut open(&server, exact), |seen| seen == n));
    }
}

#[test]
fn a_transaction_that_stays_invisible_keeps_no_rules_back_and_is_not_lost() {
    let server = Mysql::start_with(&AFTER_SYNC);
    migrate(server.url()).unwrap();
    let role = wait_for_replica(&server, 600_000);
    let mut source = None;
    commit_unseen(&server, role, 2, || {
        let source = source.insert(open(&server, false));
        let deadline = Instant::now() + DEADLINE;
        let changes = loop {
            match source.poll() {
                Ok(changes) => break changes,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        let numbers = changes.iter().map(|change| match &change.change {
            Change::Put(put) => number(&put.document),
            change => panic!("{change:?}"),
        });
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 1], "what can be seen");
        server.execute(&format!("SET GLOBAL rpl_semi_sync_{role}_enabled = OFF"));
    });
    follow(&mut source.unwrap(), |seen| seen == 2);
}
