//! Tests with servers whose settings keep changes out of the binlog.

use strateye_sources::rules::{MysqlConfig, MysqlRules, migrate_mysql};
use strateye_tests::services::Mysql;

use super::support::{Follower, Sql, wait};

#[track_caller]
fn refused(url: &str, with: &str) {
    let error = MysqlRules::open(&MysqlConfig::new(url)).unwrap_err().to_string();
    assert!(error.contains(with), "{error}");
}

#[test]
fn wrong_settings_are_said_at_open_with_what_to_write() {
    let server = Mysql::start();
    let url = server.url();
    refused(url, "there is no table `rule_engine_resource`; apply the migrations");
    migrate_mysql(url).unwrap();
    let mut sql = Sql::connect(url);
    let mut settings = vec![
        (
            "binlog_format = MIXED",
            "binlog_format = ROW",
            "write `binlog_format = ROW` under [mysqld] in my.cnf",
        ),
        ("binlog_row_image = MINIMAL", "binlog_row_image = FULL", "write `binlog_row_image = FULL`"),
    ];
    if sql.mariadb {
        settings.push(("log_bin_compress = ON", "log_bin_compress = OFF", "write `log_bin_compress = OFF`"));
    }
    for (wrong, right, line) in settings {
        sql.run(&format!("SET GLOBAL {wrong}"));
        refused(url, line);
        sql.run(&format!("SET GLOBAL {right}"));
    }
    sql.run("ALTER TABLE rule_engine_resource ENGINE = MyISAM");
    refused(url, "ALTER TABLE rule_engine_resource ENGINE = InnoDB");
    sql.run("ALTER TABLE rule_engine_resource ENGINE = InnoDB");
    sql.run("ALTER TABLE rule_engine_resource MODIFY status ENUM('online', 'paused')");
    refused(url, "MODIFY status VARCHAR(64)");
    sql.run("ALTER TABLE rule_engine_resource MODIFY status VARCHAR(64) CHARACTER SET gbk");
    refused(url, "character set gbk");
    sql.run("ALTER TABLE rule_engine_resource MODIFY status VARCHAR(64) NOT NULL DEFAULT 'online'");
    // Only MySQL has a JSON type of its own.
    sql.run("ALTER TABLE rule_engine_resource MODIFY rule_json JSON NOT NULL");
    if !sql.mariadb {
        refused(url, "MODIFY rule_json LONGTEXT CHARACTER SET utf8mb4 NOT NULL");
        sql.run("ALTER TABLE rule_engine_resource MODIFY rule_json LONGTEXT CHARACTER SET utf8mb4 NOT NULL");
    }
    sql.run("CREATE TABLE parent (id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY)");
    sql.run("ALTER TABLE rule_engine_resource ADD CONSTRAINT up FOREIGN KEY (rule_id) REFERENCES parent (id) ON DELETE CASCADE");
    refused(url, "the foreign key `up` changes `rule_engine_resource` by cascade");
    sql.run("ALTER TABLE rule_engine_resource DROP FOREIGN KEY up");
    let own = MysqlConfig { server_id: Some(1), ..MysqlConfig::new(url) };
    assert!(MysqlRules::open(&own).unwrap_err().to_string().contains("the server's own"));
    sql.put("a", "1");
    Follower::open(url).catch_up(&mut sql);
}

#[test]
fn a_server_without_a_binlog_is_refused() {
    let server = Mysql::start_with(&["--skip-log-bin"]);
    migrate_mysql(server.url()).unwrap();
    refused(server.url(), "write `log_bin = binlog` under [mysqld] in my.cnf");
}

#[test]
fn a_server_that_keeps_the_database_or_what_it_takes_over_out_of_its_binlog_is_refused() {
    for (option, setting) in
        [("--binlog-do-db=other", "binlog-do-db"), ("--binlog-ignore-db=strateye", "binlog-ignore-db")]
    {
        let server = Mysql::start_with(&[option, "--loose-log-replica-updates=OFF"]);
        migrate_mysql(server.url()).unwrap();
        refused(server.url(), &format!("`{setting}` keeps the changes of database `strateye` out"));
        // Another database is not affected.
        server.execute("CREATE DATABASE other");
        let other = server.url().replace("/strateye", "/other");
        migrate_mysql(&other).unwrap();
        let (mut sql, mut follower) = (Sql::connect(&other), Follower::open(&other));
        sql.put("a", "1");
        follower.catch_up(&mut sql);
        drop(follower);
        server.execute(if server.is_mariadb() {
            "CHANGE MASTER 'up' TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'nobody'"
        } else {
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 1, SOURCE_USER = 'nobody'"
        });
        refused(&other, "_updates` is OFF, and what a replica applies is not in its binlog; write `log_");
    }
}

#[test]
fn of_compressed_events_nothing_is_lost() {
    let server = Mysql::start();
    migrate_mysql(server.url()).unwrap();
    let mut sql = Sql::connect(server.url());
    let mut follower = Follower::open(server.url());
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    if sql.mariadb {
        compressed_events_are_said(&mut sql, &mut follower);
    } else {
        compressed_transactions_are_read(&mut sql, &mut follower);
    }
}

/// MySQL compresses whole transactions, and the driver unpacks them.
fn compressed_transactions_are_read(sql: &mut Sql, follower: &mut Follower) {
    sql.run("SET SESSION binlog_transaction_compression = ON");
    for (n, end) in ["COMMIT", "ROLLBACK", "COMMIT"].into_iter().enumerate() {
        let text = format!("{n} {}", "long enough to be compressed ".repeat(100));
        sql.run("START TRANSACTION");
        sql.put("b", &text);
        sql.run("SAVEPOINT here");
        sql.put("c", &text);
        sql.run("ROLLBACK TO SAVEPOINT here");
        sql.put("d", &text);
        sql.run(end);
        follower.catch_up(sql);
        // Reading continues from its end.
        let dumps = sql.dumps("strateye");
        dumps.iter().for_each(|dump| sql.kill(*dump));
        wait("another one", || sql.dumps("strateye").iter().any(|dump| !dumps.contains(dump)));
        sql.put("e", &text);
        follower.catch_up(sql);
    }
    let (file, _) = sql.binlog_end();
    let events = sql.rows::<mysql_async::Row>(&format!("SHOW BINLOG EVENTS IN '{file}'"));
    let kinds: Vec<String> = events.iter().map(|event| event.get("Event_type").unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "Transaction_payload").count(), 5);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

/// MariaDB compresses single events, which the driver does not support.
fn compressed_events_are_said(sql: &mut Sql, follower: &mut Follower) {
    sql.run("SET GLOBAL log_bin_compress = ON");
    sql.put("b", &"long enough to be compressed ".repeat(100));
    follower.until("said", |f| f.said.iter().any(|s| s.contains("write `log_bin_compress = OFF`")));
    assert_eq!(follower.rules.len(), 1);
    sql.run("SET GLOBAL log_bin_compress = OFF");
    follower.catch_up(sql);
}
