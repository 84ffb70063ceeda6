//! Tests of failing connections, lost binlog files and restarted servers.

use std::{
    io::{self, Read},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use operators::document::lifecycle::RunState;
use strateye_sources::rules::{MysqlConfig, RuleSource, migrate_mysql};
use strateye_tests::services::Mysql;

use super::support::{Follower, MIXED, Sql, database, document, wait};

#[test]
fn a_killed_connection_loses_nothing_wherever_it_stood() {
    let url = database("killed");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    for n in 0..10 {
        sql.put("a", &n.to_string());
        if n % 3 == 0 {
            sql.run("FLUSH BINARY LOGS");
        }
        if n % 2 == 0 {
            follower.catch_up(&mut sql);
        }
        wait("a dump", || !sql.dumps("killed").is_empty());
        for dump in sql.dumps("killed") {
            // The connection may have ended by itself.
            drop(sql.attempt(&format!("KILL CONNECTION {dump}")));
        }
        sql.put("b", &n.to_string());
    }
    follower.catch_up(&mut sql);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn a_restarted_server_is_followed_on() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    let mut follower = Follower::open(server.url());
    for (n, end) in [Mysql::stop, Mysql::kill].into_iter().enumerate() {
        sql.put("before", &n.to_string());
        follower.catch_up(&mut sql);
        end(&server);
        follower.poll();
        server.restart();
        sql.reconnect();
        sql.put("after", &n.to_string());
        follower.catch_up(&mut sql);
    }
    // An outage is no error.
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn a_server_that_is_away_at_the_start_is_followed_once_it_is_there() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    sql.put("before", "1");
    let held = sql.held();
    server.kill();
    let mut follower = Follower::open(server.url());
    follower.until("the absence is told", |follower| !follower.said.is_empty());
    assert!(follower.said.iter().all(|said| said.contains("does not answer")), "{:?}", follower.said);
    follower.source.write_status("before", 1, RunState::Live, "noted").unwrap();
    server.restart();
    follower.until("the rules are read", |follower| follower.rules == held);
    sql.reconnect();
    sql.put("after", "2");
    follower.catch_up(&mut sql);
    let noted = "SELECT 1 FROM rule_status WHERE rule_id = 'before' AND detail = 'noted'";
    wait("the state is written", || !server.query(noted).is_empty());
}

#[test]
fn changes_without_the_binlog_are_found_by_comparing_all_rules() {
    let url = database("unlogged");
    let mut sql = Sql::connect(&url);
    sql.put("changed", "1");
    sql.put("gone", "1");
    let config = MysqlConfig { compare_every: Duration::from_millis(200), ..MysqlConfig::new(&url) };
    let mut follower = Follower::with(&config);
    follower.catch_up(&mut sql);
    sql.run("SET sql_log_bin = 0");
    sql.put("changed", "2");
    sql.put("new", "1");
    sql.run("DELETE FROM rule_engine_resource WHERE rule_id = 'gone'");
    sql.run("SET sql_log_bin = 1");
    follower.catch_up(&mut sql);
    // What the binlog tells is followed as before, however often all rules are compared.
    for n in 0..300 {
        sql.put("changed", &n.to_string());
        follower.poll();
    }
    follower.catch_up(&mut sql);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

trait Ends {
    fn stop(&self);
    fn kill(&self);
}

impl Ends for Mysql {
    fn stop(&self) {
        (**self).stop();
    }

    fn kill(&self) {
        (**self).kill();
    }
}

#[test]
fn a_purged_binlog_or_another_history_makes_a_new_snapshot() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    sql.run("CREATE USER 'cdc'@'%' IDENTIFIED BY 'x'");
    sql.run("GRANT ALL ON *.* TO 'cdc'@'%'");
    let mut follower = Follower::open(&server.url().replace("root@", "cdc:x@"));
    for rule in ["a", "b", "c"] {
        sql.put(rule, "1");
    }
    follower.catch_up(&mut sql);
    for (n, reset) in [false, true].into_iter().enumerate() {
        shut_out(&mut sql);
        sql.run("DELETE FROM rule_engine_resource WHERE rule_id = 'b'");
        sql.put("a", &format!("changed {n}"));
        sql.run("FLUSH BINARY LOGS");
        if reset {
            sql.reset_binlog();
        } else {
            sql.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY");
        }
        // The new history has transactions as well, and the old position may be one of its positions.
        for i in 0..50 {
            sql.put("d", &format!("{n} {i}"));
        }
        follower.poll();
        sql.run("ALTER USER 'cdc'@'%' ACCOUNT UNLOCK");
        follower.catch_up(&mut sql);
        sql.put("b", "again");
        follower.catch_up(&mut sql);
    }
}

/// A server restored to an earlier state may have the same files and positions, with other transactions.
#[test]
fn transactions_of_another_history_are_not_taken_for_those_that_were_read() {
    let server = Mysql::start_with(&MIXED);
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    sql.run("CREATE USER 'cdc'@'%' IDENTIFIED BY 'x'");
    sql.run("GRANT ALL ON *.* TO 'cdc'@'%'");
    sql.reset_binlog();
    let mut follower = Follower::open(&server.url().replace("root@", "cdc:x@"));
    let publish = |sql: &mut Sql, text: &str| {
        for rule in ["a", "b", "c"] {
            sql.put(rule, text);
        }
        sql.binlog_end()
    };
    let stood = publish(&mut sql, "1");
    follower.catch_up(&mut sql);
    shut_out(&mut sql);
    sql.run("SET SESSION sql_log_bin = 0");
    sql.run("DELETE FROM rule_engine_resource");
    sql.run("SET SESSION sql_log_bin = 1");
    sql.reset_binlog();
    // MariaDB stores a transaction's time in seconds, as set in the session.
    sql.run("SET SESSION timestamp = UNIX_TIMESTAMP() - 3600");
    assert_eq!(publish(&mut sql, "2"), stood);
    sql.put("d", "1");
    sql.run("ALTER USER 'cdc'@'%' ACCOUNT UNLOCK");
    follower.catch_up(&mut sql);
    assert_eq!(follower.rules["a"].0, document("a", "2"));
}

#[test]
fn a_position_of_another_history_is_not_gone_on_from() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    sql.run("CREATE TABLE noise (b LONGBLOB)");
    sql.run("CREATE USER 'cdc'@'%' IDENTIFIED BY 'x'");
    sql.run("GRANT ALL ON *.* TO 'cdc'@'%'");
    sql.reset_binlog();
    let mut follower = Follower::open(&server.url().replace("root@", "cdc:x@"));
    for rule in ["a", "b", "c"] {
        sql.put(rule, "1");
    }
    follower.catch_up(&mut sql);
    let stood = sql.binlog_end();
    shut_out(&mut sql);
    sql.put("a", "2");
    sql.run("DELETE FROM rule_engine_resource WHERE rule_id = 'b'");
    // A single transaction that ends at the same offset; its length is found by trial.
    let mut length = 100;
    for _ in 0..2 {
        sql.reset_binlog();
        sql.run(&format!("INSERT INTO noise VALUES (REPEAT('x', {length:06}))"));
        length = length + stood.1 - sql.binlog_end().1;
    }
    assert_eq!(sql.binlog_end(), stood);
    sql.put("d", "1");
    sql.run("ALTER USER 'cdc'@'%' ACCOUNT UNLOCK");
    follower.catch_up(&mut sql);
}

/// Prevents everyone from reading the binlog until the account is unlocked.
fn shut_out(sql: &mut Sql) {
    // Not in the binlog, so that a reader stays at the last change of the rules.
    sql.run("SET SESSION sql_log_bin = 0");
    sql.run("ALTER USER 'cdc'@'%' ACCOUNT LOCK");
    sql.run("SET SESSION sql_log_bin = 1");
    wait("nobody", || {
        let connected: Vec<u64> =
            sql.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'cdc'");
        for id in &connected {
            drop(sql.attempt(&format!("KILL CONNECTION {id}")));
        }
        connected.is_empty()
    });
}

#[test]
fn two_readers_of_one_id_are_told() {
    let url = database("same_id");
    let mut sql = Sql::connect(&url);
    let config = MysqlConfig { server_id: Some(424_242), ..MysqlConfig::new(&url) };
    let mut first = Follower::with(&config);
    sql.put("a", "1");
    first.catch_up(&mut sql);
    wait("a dump", || sql.dumps("same_id").len() == 1);
    let mut second = Follower::with(&config);
    second.catch_up(&mut sql);
    first.until("told", |f| f.said.iter().any(|s| s.contains("give each engine its own `server_id`")));
    // Permanently: it does not reconnect, which would disconnect the other one.
    assert!(first.source.poll().is_err());
    sql.put("a", "2");
    second.catch_up(&mut sql);
    assert!(second.said.is_empty(), "{:?}", second.said);
}

/// Starts a proxy that closes a connection after `bytes` bytes in either direction; returns its address and
/// its count of connections.
fn proxy(to: String, bytes: u64) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let Ok(server) = TcpStream::connect(&to) else { continue };
            for (from, mut into) in [
                (client.try_clone().unwrap(), server.try_clone().unwrap()),
                (server.try_clone().unwrap(), client.try_clone().unwrap()),
            ] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from.take(bytes), &mut into);
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (address, count)
}

#[test]
fn a_server_that_hangs_is_found_and_holds_nobody_up() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let (address, connections) = proxy(server.address().to_owned(), u64::MAX);
    let mut sql = Sql::connect(server.url());
    let mut follower = Follower::open(&server.url().replace(server.address(), &address));
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    let status = "SELECT COUNT(*) FROM rule_status WHERE state = 'live' AND version = 1";
    follower.source.write_status("a", 1, RunState::Live, "").unwrap();
    wait("live", || sql.rows::<u64>(status) == [1]);
    wait("a dump", || sql.dumps("strateye").len() == 1);
    let before = connections.load(Ordering::SeqCst);
    server.pause();
    let begun = Instant::now();
    wait("another connection", || {
        follower.poll();
        connections.load(Ordering::SeqCst) > before
    });
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let begun = Instant::now();
    follower.source.write_status("a", 1, RunState::Quarantined, "first").unwrap();
    follower.source.write_status("a", 1, RunState::Paused, "second").unwrap();
    follower.source.write_status("b", 2, RunState::Rejected, &"长".repeat(30_000)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    server.resume();
    sql.put("a", "2");
    follower.catch_up(&mut sql);
    wait("the last state", || {
        sql.rows::<(String, String)>("SELECT state, detail FROM rule_status WHERE rule_id = 'a'")
            == [("paused".to_owned(), "second".to_owned())]
    });
    let detail = "SELECT CHAR_LENGTH(detail) FROM rule_status WHERE rule_id = 'b' AND state = 'rejected'";
    wait("the long one", || sql.rows::<u64>(detail) == [5333]);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn where_reading_breaks_off_again_and_again_all_rules_are_read_anew() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let (address, _) = proxy(server.address().to_owned(), 1 << 20);
    let mut sql = Sql::connect(server.url());
    sql.run("CREATE TABLE noise (b LONGBLOB)");
    let mut follower = Follower::open(&server.url().replace(server.address(), &address));
    // The second change is read in an event, from which reading continues.
    for text in ["0", "1"] {
        sql.put("a", text);
        follower.catch_up(&mut sql);
    }
    // An event that is longer than any connection lasts.
    sql.run("INSERT INTO noise VALUES (REPEAT('x', 4000000))");
    sql.put("a", "2");
    follower.catch_up(&mut sql);
    sql.put("a", "3");
    follower.catch_up(&mut sql);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn a_state_that_is_written_last_is_not_lost() {
    let url = database("last_state");
    let mut sql = Sql::connect(&url);
    let mut follower = Follower::open(&url);
    follower.source.write_status("a", 0, RunState::Rejected, "原因").unwrap();
    drop(follower);
    let rows = sql.rows::<(String, u64, String)>("SELECT rule_id, version, detail FROM rule_status");
    assert_eq!(rows, [("a".to_owned(), 0, "原因".to_owned())]);
}
