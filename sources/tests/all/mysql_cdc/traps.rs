//! Tests of what a binlog contains besides rows, one by one.

use operators::document::lifecycle::{Gap, Status};
use strateye_sources::rules::{MysqlConfig, migrate_mysql};
use strateye_tests::services::Mysql;

use super::support::{Follower, MIXED, Sql, database};

#[test]
fn plain_statements_publish_edit_pause_and_delete() {
    let url = database("plain");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    let insert = "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('a', '{\"rule_id\":\"a\"}')";
    sql.run(insert);
    follower.catch_up(&mut sql);
    assert_eq!(follower.rules["a"], ("{\"rule_id\":\"a\"}".to_owned(), Status::Online, Gap::Replay));
    for (set, expected) in [
        ("status = 'paused', resume_gap = 'skip'", Some((Status::Paused, Gap::Skip))),
        ("status = 'online'", Some((Status::Online, Gap::Skip))),
        ("status = 'draft'", None),
        ("status = 'retired', resume_gap = 'replay'", Some((Status::Retired, Gap::Replay))),
    ] {
        sql.run(&format!("UPDATE rule_engine_resource SET {set}"));
        follower.catch_up(&mut sql);
        assert_eq!(follower.rules.get("a").map(|(_, status, gap)| (*status, *gap)), expected);
    }
    sql.run("DELETE FROM rule_engine_resource");
    follower.catch_up(&mut sql);
    assert!(follower.rules.is_empty() && follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn what_cannot_be_read_keeps_what_is_in_force() {
    let url = database("unreadable");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    for (set, said) in [
        ("rule_json = '{'", "write one JSON object"),
        ("rule_json = '{\"rule_id\":\"b\"}'", "`rule_json` is of rule `b`"),
        ("status = 'onlin'", "write draft, in_review"),
        ("status = 'online', resume_gap = 'later'", "write replay or skip"),
    ] {
        sql.run(&format!("UPDATE rule_engine_resource SET {set}"));
        follower.until(said, |f| f.said.iter().any(|s| s.contains(said)));
        assert_eq!(follower.name("a"), Some("1"));
    }
}

#[test]
fn savepoints_and_rollbacks_leave_nothing_behind() {
    let server = Mysql::start_with(&MIXED);
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    // Rolled back rows reach the binlog if a non-transactional table is written in the same transaction.
    sql.run("CREATE TABLE noise (n INT) ENGINE = MyISAM");
    sql.run("START TRANSACTION");
    sql.put("a", "1");
    sql.run("SAVEPOINT `Here`");
    sql.run("INSERT INTO noise VALUES (1)");
    sql.put("b", "1");
    sql.run("ROLLBACK TO SAVEPOINT `here`");
    sql.put("c", "1");
    sql.run("COMMIT");
    sql.run("START TRANSACTION");
    sql.put("d", "1");
    sql.run("INSERT INTO noise VALUES (2)");
    sql.attempt("ROLLBACK").unwrap();
    sql.put("e", "1");
    follower.until("e", |f| f.rules.contains_key("e"));
    assert_eq!(follower.rules.keys().collect::<Vec<_>>(), ["a", "c", "e"]);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
    // The stored position is never within a transaction: reading could not start there.
    for dump in sql.dumps("strateye") {
        sql.kill(dump);
    }
    sql.put("f", "1");
    follower.catch_up(&mut sql);
}

#[test]
fn a_transaction_comes_in_one_piece() {
    let url = database("pieces");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    for n in 0..100 {
        sql.run("START TRANSACTION");
        sql.put("a", &n.to_string());
        follower.poll();
        sql.put("b", &n.to_string());
        follower.poll();
        sql.run("COMMIT");
        follower.poll();
        assert_eq!(follower.name("a"), follower.name("b"));
    }
    follower.catch_up(&mut sql);
    assert_eq!((follower.name("a"), follower.name("b")), (Some("99"), Some("99")));
}

#[test]
fn a_table_may_be_emptied_taken_away_and_brought_back() {
    let url = database("emptied");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.put("a", "1");
    sql.put("b", "1");
    follower.catch_up(&mut sql);
    sql.run("/* all of it */ TRUNCATE TABLE `emptied`.`rule_engine_resource`");
    follower.catch_up(&mut sql);
    assert!(follower.rules.is_empty());
    sql.put("c", "1");
    follower.catch_up(&mut sql);
    sql.run("RENAME TABLE rule_engine_resource TO aside");
    follower.until("no table", |f| f.said.iter().any(|s| s.contains("apply the migrations")));
    assert_eq!(follower.name("c"), Some("1"));
    sql.run("RENAME TABLE aside TO rule_engine_resource");
    sql.run("UPDATE rule_engine_resource SET rule_json = '{\"rule_id\":\"c\",\"name\":\"2\"}'");
    follower.until("back", |f| f.name("c") == Some("2"));
}

#[test]
fn rows_without_all_columns_or_without_row_events_are_read_anew() {
    // A server of its own: these statements affect all followers of a server.
    let server = Mysql::start();
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    sql.run("CREATE VIEW rules AS SELECT * FROM rule_engine_resource");
    sql.put("a", "1");
    sql.put("b", "1");
    follower.catch_up(&mut sql);
    for setting in ["binlog_row_image = MINIMAL", "binlog_row_image = NOBLOB", "binlog_format = STATEMENT"] {
        let mut odd = Sql::connect(url);
        odd.run(&format!("SET SESSION {setting}"));
        odd.run("UPDATE rules SET status = 'paused' WHERE rule_id = 'a'");
        follower.catch_up(&mut sql);
        odd.run("DELETE FROM rule_engine_resource WHERE rule_id = 'b'");
        follower.catch_up(&mut sql);
        odd.put("b", setting);
        odd.run("UPDATE rules SET status = 'online' WHERE rule_id = 'a'");
        follower.catch_up(&mut sql);
        sql.put("a", setting);
        follower.catch_up(&mut sql);
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn xa_transactions_count_once_they_are_committed() {
    let server = Mysql::start();
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    follower.poll();
    for verdict in ["COMMIT", "ROLLBACK"] {
        sql.run("XA START 'x'");
        sql.put(&verdict.to_lowercase(), "1");
        sql.run("XA END 'x'");
        sql.run("XA PREPARE 'x'");
        let mut other = Sql::connect(url);
        other.put(&format!("beside-{}", verdict.to_lowercase()), "1");
        follower.catch_up(&mut other);
        sql.run(&format!("XA {verdict} 'x'"));
    }
    sql.put("last", "1");
    follower.catch_up(&mut sql);
    assert_eq!(
        follower.rules.keys().collect::<Vec<_>>(),
        ["beside-commit", "beside-rollback", "commit", "last"]
    );
}

#[test]
fn xa_transactions_in_one_phase_are_like_others() {
    let server = Mysql::start();
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    for text in ["1", "2"] {
        sql.run("XA START 'x'");
        sql.put("a", text);
        sql.run("XA END 'x'");
        sql.run("XA COMMIT 'x' ONE PHASE");
        follower.catch_up(&mut sql);
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn names_and_passwords_may_have_any_signs() {
    let url = database("accounts");
    let mut sql = Sql::connect(&url);
    sql.run("CREATE USER 'c:d@c'@'%' IDENTIFIED BY 'p/:@ #?s'");
    sql.run("GRANT SELECT ON accounts.* TO 'c:d@c'@'%'");
    let own = url.replace("root@", "c%3Ad%40c:p%2F%3A%40%20%23%3Fs@");
    let error = strateye_sources::rules::MysqlRules::open(&MysqlConfig::new(&own)).unwrap_err().to_string();
    assert!(error.contains("REPLICATION CLIENT") && !error.contains("p/:"), "{error}");
    let monitor = if sql.mariadb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    sql.run(&format!("GRANT REPLICATION SLAVE, {monitor} ON *.* TO 'c:d@c'@'%'"));
    sql.put("a", "1");
    Follower::open(&own).catch_up(&mut sql);
    let wrong = url.replace("root@", "c%3Ad%40c:wrongsecret@");
    let config = MysqlConfig::new(&wrong);
    let error = strateye_sources::rules::MysqlRules::open(&config).unwrap_err();
    assert!(error.to_string().contains("check user, password"), "{error}");
    assert!(!format!("{error} {error:?} {config:?}").contains("wrongsecret"));
}
