//! Tests of the forms of events, rows and transaction names.

use operators::document::lifecycle::Status;
use strateye_sources::rules::{MysqlConfig, MysqlRules, migrate_mysql};
use strateye_tests::services::Mysql;

use super::support::{Follower, Sql, database, document};

#[test]
fn columns_may_come_go_and_move() {
    let url = database("columns");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    for (n, alter) in [
        "ADD COLUMN extra INT DEFAULT 5 FIRST",
        "MODIFY COLUMN rule_json LONGTEXT CHARACTER SET utf8mb4 NOT NULL AFTER extra",
        "DROP COLUMN extra",
        "ADD COLUMN other VARCHAR(20) AFTER rule_id, DROP COLUMN model_id",
        "MODIFY COLUMN status VARCHAR(40) CHARACTER SET utf8mb4 NOT NULL DEFAULT 'online' FIRST",
        "ADD COLUMN title VARCHAR(99) AS (JSON_VALUE(rule_json, '$.name')) VIRTUAL AFTER status, ADD INDEX (title)",
        "ADD COLUMN kept VARCHAR(99) AS (JSON_VALUE(rule_json, '$.name')) STORED FIRST",
        "ADD COLUMN unseen INT INVISIBLE FIRST",
    ]
    .iter()
    .enumerate()
    {
        sql.put("before", &n.to_string());
        sql.run(&format!("ALTER TABLE rule_engine_resource {alter}"));
        sql.put("after", &n.to_string());
        follower.catch_up(&mut sql);
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn a_table_altered_behind_the_binlog_is_noticed_by_its_events() {
    let url = database("altered");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    for (n, alter) in [
        "ADD COLUMN extra VARCHAR(64) DEFAULT 'x' FIRST",
        "MODIFY COLUMN resume_gap VARCHAR(16) NOT NULL DEFAULT 'replay' AFTER rule_id",
    ]
    .iter()
    .enumerate()
    {
        sql.run("SET SESSION sql_log_bin = 0");
        sql.run(&format!("ALTER TABLE rule_engine_resource {alter}"));
        sql.run("UPDATE rule_engine_resource SET status = 'online', resume_gap = 'skip'");
        sql.run("SET SESSION sql_log_bin = 1");
        sql.put("a", &format!("new {n}"));
        follower.catch_up(&mut sql);
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn without_names_in_events_columns_are_told_by_count_and_type() {
    let url = database("nameless");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    // For the whole server: followers in other tests only lose a check that they do not need.
    let nameless = if sql.mariadb { "NO_LOG" } else { "MINIMAL" };
    sql.run(&format!("SET GLOBAL binlog_row_metadata = {nameless}"));
    let mut nameless = Sql::connect(&url);
    nameless.put("b", "1");
    nameless.run("UPDATE rule_engine_resource SET version = 7 WHERE rule_id = 'a'");
    nameless.run("ALTER TABLE rule_engine_resource DROP COLUMN model_params");
    nameless.put("c", "1");
    follower.catch_up(&mut sql);
    sql.run("SET GLOBAL binlog_row_metadata = FULL");
    sql.put("d", "1");
    follower.catch_up(&mut sql);
}

/// Only MariaDB has compressed columns, and writes them to the binlog in compressed form.
#[test]
fn a_compressed_column_is_said_wherever_it_stands() {
    let server = Mysql::mariadb(&[]);
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    // The second change is read in an event, from which reading continues.
    for text in ["0", "1"] {
        sql.put("a", text);
        follower.catch_up(&mut sql);
    }
    // Without binlogging, so that the next row event is the first sign of the change.
    let alter = |sql: &mut Sql, to: &str| {
        sql.run("SET SESSION sql_log_bin = 0");
        sql.run(&format!("ALTER TABLE rule_engine_resource MODIFY reviewer {to}"));
        sql.run("SET SESSION sql_log_bin = 1");
    };
    alter(&mut sql, "VARCHAR(128) COMPRESSED");
    sql.run("UPDATE rule_engine_resource SET reviewer = REPEAT('x', 120)");
    follower.until("said", |f| f.said.iter().any(|s| s.contains("MODIFY reviewer varchar(128)")));
    let error = MysqlRules::open(&MysqlConfig::new(url)).unwrap_err().to_string();
    assert!(error.contains("`reviewer` of `rule_engine_resource` is compressed"), "{error}");
    alter(&mut sql, "VARCHAR(128)");
    sql.put("a", "2");
    follower.catch_up(&mut sql);
}

/// JSON columns have formats of their own in MySQL's binlog, and may be partial updates.
#[test]
fn json_columns_beside_those_that_are_read_do_no_harm() {
    let url = database("json");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.run("ALTER TABLE rule_engine_resource ADD COLUMN extra JSON FIRST, ADD COLUMN more JSON");
    sql.put("a", "1");
    sql.run(
        r#"UPDATE rule_engine_resource SET extra = '{"n": 1, "long": "xxxxxxxxxxxxxxxxxxxx"}', more = extra"#,
    );
    follower.catch_up(&mut sql);
    for (n, options) in ["", "PARTIAL_JSON"].into_iter().enumerate() {
        if !sql.mariadb {
            sql.run(&format!("SET SESSION binlog_row_value_options = '{options}'"));
        }
        let text = document("a", &format!("changed {n}"));
        sql.run(&format!(
            "UPDATE rule_engine_resource SET extra = JSON_SET(extra, '$.n', {n} + 10), rule_json = '{text}'"
        ));
        follower.until("the change", |f| f.rules["a"].0 == text);
        sql.run("UPDATE rule_engine_resource SET more = JSON_REMOVE(more, '$.n'), status = 'paused'");
        follower.until("the pause", |f| f.rules["a"].1 == Status::Paused);
        sql.run("UPDATE rule_engine_resource SET status = 'online'");
    }
    follower.catch_up(&mut sql);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn binlogs_may_have_checksums_and_statements_or_not() {
    let server = Mysql::start();
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    let statements = if sql.mariadb { "binlog_annotate_row_events" } else { "binlog_rows_query_log_events" };
    for (n, (checksum, said)) in
        [("CRC32", "ON"), ("NONE", "ON"), ("NONE", "OFF"), ("CRC32", "OFF")].into_iter().enumerate()
    {
        sql.run(&format!("SET GLOBAL binlog_checksum = {checksum}"));
        sql.run(&format!("SET SESSION {statements} = {said}"));
        sql.put("a", &n.to_string());
        follower.catch_up(&mut sql);
        sql.dumps("strateye").iter().for_each(|dump| sql.kill(*dump));
        sql.put("b", &n.to_string());
        follower.catch_up(&mut sql);
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

/// MySQL may add a tag to a transaction's name, which changes the type of the event. MariaDB has domains.
#[test]
fn transactions_may_have_names_of_another_form() {
    let server = Mysql::start_with(&["--loose-gtid-mode=ON", "--loose-enforce-gtid-consistency=ON"]);
    let url = server.url();
    migrate_mysql(url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(url), Follower::open(url));
    sql.put("a", "1");
    follower.catch_up(&mut sql);
    let other = if sql.mariadb { "gtid_domain_id = 7" } else { "gtid_next = 'AUTOMATIC:other_form'" };
    sql.run(&format!("SET SESSION {other}"));
    for text in ["2", "3"] {
        sql.put("a", text);
        follower.catch_up(&mut sql);
        sql.dumps("strateye").iter().for_each(|dump| sql.kill(*dump));
    }
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn documents_come_as_they_are() {
    let url = database("documents");
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    sql.run("CREATE TABLE blobs (b LONGBLOB)");
    let long: String = "规则 é😀 \\u0000 ".chars().cycle().take(400_000).collect();
    for text in ["重庆民宿 299-20 😀", "  spaces  ", "2^53+1 = 9007199254740993", &long] {
        sql.put("a", text);
        sql.run("INSERT INTO blobs VALUES (RANDOM_BYTES(600)), (REPEAT('x', 700000))");
        follower.catch_up(&mut sql);
        assert_eq!(follower.rules["a"].0, document("a", text));
    }
    // The same from a snapshot.
    let mut late = Follower::open(&url);
    late.until("all", |f| !f.rules.is_empty());
    assert_eq!(late.rules, follower.rules);
}
