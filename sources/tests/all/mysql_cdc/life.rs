//! Tests of the users' side of the store, and of what the engine writes.

use std::thread;

use operators::{
    document::lifecycle::{Gap, RunState, Status},
    model::ids::{Offset, PartitionId},
};
use serde_json::Value;
use strateye_sources::rules::{Change, MysqlStore, RuleSource, RuleStore, migrate_mysql};
use strateye_tests::services::Mysql;

use super::support::{Follower, Sql, database, document, wait};

#[test]
fn a_rule_goes_through_its_life() {
    let url = database("life");
    let mut store = MysqlStore::open(&url).unwrap();
    let mut sql = Sql::connect(&url);
    let mut follower = Follower::open(&url);
    let published = store.publish(&document("a", "1"), "zhang").unwrap();
    assert_eq!((published.version, published.new), (Some(1), true));
    assert_eq!(store.publish(&document("a", "2"), "").unwrap().version, Some(2));
    follower.catch_up(&mut sql);
    store.pause("a").unwrap();
    store.pause("a").unwrap();
    assert_eq!(store.rollback("a", 1).unwrap().version, Some(3));
    follower.source.write_status("a", 3, RunState::Rejected, "no").unwrap();
    follower.source.write_status("a", 3, RunState::Paused, "").unwrap();
    wait("the state", || store.show("a").unwrap().state == Some(("paused".into(), String::new())));
    let shown = store.show("a").unwrap();
    assert_eq!((shown.status.as_str(), shown.document), ("paused", Some(document("a", "1"))));
    assert_eq!(shown.author.as_deref(), Some("zhang"));
    let updated = shown.updated.unwrap();
    assert!(updated.len() == 24 && updated.ends_with('Z') && updated.as_bytes()[10] == b'T', "{updated}");
    store.resume("a", Gap::Skip).unwrap();
    follower.catch_up(&mut sql);
    assert_eq!(follower.rules["a"], (document("a", "1"), Status::Online, Gap::Skip));
    // A new version does not take over the gap of that pause.
    assert_eq!(store.rollback("a", 1).unwrap().version, Some(4));
    follower.catch_up(&mut sql);
    assert_eq!(follower.rules["a"], (document("a", "1"), Status::Online, Gap::Replay));
    store.retire("a").unwrap();
    store.retire("a").unwrap();
    follower.catch_up(&mut sql);
    assert!(store.resume("a", Gap::Replay).unwrap_err().to_string().contains("is retired; publish it"));
    assert!(store.rollback("a", 9).unwrap_err().to_string().contains("no version 9; it has 1 to 4"));
    assert!(store.retire("b").unwrap_err().to_string().starts_with("no rule `b` in mysql://127.0.0.1:"));
    assert!(store.publish("{}", "").is_err());
    assert_eq!(store.versions("a").unwrap().len(), 4);
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].version, listed[0].status.as_str()), (1, Some(4), "retired"));
    check_audit(&mut sql);
}

fn check_audit(sql: &mut Sql) {
    let rows: Vec<(Option<u64>, String, String, String)> =
        sql.rows("SELECT version, who, action, diff FROM rule_audit WHERE rule_id = 'a' ORDER BY audit_id");
    let actions: Vec<(Option<u64>, &str, &str)> =
        rows.iter().map(|(version, who, action, _)| (*version, who.as_str(), action.as_str())).collect();
    assert_eq!(
        actions,
        [
            (Some(1), "zhang", "publish"),
            (Some(2), "root@%", "publish"),
            (Some(2), "root@%", "pause"),
            (Some(3), "root@%", "rollback"),
            (Some(3), "root@%", "resume"),
            (Some(4), "root@%", "rollback"),
            (Some(4), "root@%", "retire"),
        ]
        .map(|(version, who, action)| (
            version,
            if who == "zhang" { who } else { actions[1].1 },
            action
        ))
    );
    assert!(actions[1].1.starts_with("root@"));
    let diffs: Vec<Value> = rows.iter().map(|row| serde_json::from_str(&row.3).unwrap()).collect();
    assert!(diffs[0]["before"].is_null() && diffs[0]["after"]["rule_json"]["name"] == "1");
    assert_eq!(diffs[2].to_string(), r#"{"before":{"status":"online"},"after":{"status":"paused"}}"#);
    assert_eq!(diffs[3]["after"]["rule_json"]["name"], "1");
    assert_eq!(diffs[4]["after"]["resume_gap"], "skip");
}

#[test]
fn what_was_written_by_hand_is_kept_when_it_is_replaced() {
    let url = database("by_hand");
    let mut store = MysqlStore::open(&url).unwrap();
    let mut sql = Sql::connect(&url);
    sql.put("a", "by hand");
    assert_eq!(store.publish(&document("a", "published"), "zhang").unwrap().version, Some(2));
    sql.put("a", "by hand again");
    assert_eq!(store.publish(&document("a", "published again"), "").unwrap().version, Some(4));
    sql.run("UPDATE rule_engine_resource SET version = 9");
    assert_eq!(store.rollback("a", 1).unwrap().version, Some(10));
    let names: Vec<String> = (store.versions("a").unwrap().iter())
        .map(|v| store.document("a", v.version).unwrap().split('"').nth(7).unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["by hand", "published", "by hand again", "published again", "published again", "by hand"]
    );
}

#[test]
fn a_document_changed_under_its_version_has_no_version() {
    let url = database("versions");
    let mut store = MysqlStore::open(&url).unwrap();
    let mut follower = Follower::open(&url);
    let mut sql = Sql::connect(&url);
    let next = |follower: &mut Follower| {
        let mut changes = Vec::new();
        wait("a change", || {
            changes = follower.source.poll().unwrap();
            !changes.is_empty()
        });
        let Change::Put(put) = changes.remove(0).change else { panic!("no document") };
        put.version
    };
    store.publish(&document("a", "1"), "").unwrap();
    assert_eq!(next(&mut follower), Some(1));
    sql.put("a", "2");
    assert_eq!(next(&mut follower), None);
    sql.run("UPDATE rule_engine_resource SET status = 'paused'");
    assert_eq!(next(&mut follower), None);
    store.publish(&document("a", "3"), "").unwrap();
    assert_eq!(next(&mut follower), Some(3));
    sql.put("b", "1");
    assert_eq!(next(&mut follower), None);
}

#[test]
fn the_state_shown_is_that_of_the_row_whatever_version_it_has_in_the_engine() {
    let url = database("states");
    let mut store = MysqlStore::open(&url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    let mut said = |store: &MysqlStore, version, state: RunState| {
        follower.source.write_status("a", version, state, &format!("{version}")).unwrap();
        let expected = Some((state.as_str().to_owned(), version.to_string()));
        wait("the state", || store.show("a").unwrap().state == expected);
        assert_eq!(store.list().unwrap()[0].state, expected);
    };
    store.publish(&document("a", "1"), "").unwrap();
    said(&store, 1, RunState::Live);
    sql.put("a", "2");
    said(&store, 2, RunState::Quarantined);
    sql.put("a", "refused");
    said(&store, 0, RunState::Rejected);
    sql.put("a", "3");
    said(&store, 3, RunState::Live);
    sql.run("UPDATE rule_engine_resource SET version = 7");
    assert_eq!(store.show("a").unwrap().version, Some(7));
    said(&store, 7, RunState::Paused);
    sql.run("DELETE FROM rule_status WHERE version = 0");
    store.publish(&document("a", "4"), "").unwrap();
    assert_eq!(store.show("a").unwrap().state, None, "nothing was said of it yet");
}

#[test]
fn publishing_from_several_places_at_once_gives_each_its_version() {
    let url = database("publishers");
    let versions: Vec<u64> = thread::scope(|scope| {
        let publishers: Vec<_> = (0..4)
            .map(|n| {
                let url = &url;
                scope.spawn(move || {
                    let mut store = MysqlStore::open(url).unwrap();
                    (0..10)
                        .map(|i| {
                            store.publish(&document("a", &format!("{n} {i}")), "").unwrap().version.unwrap()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        publishers.into_iter().flat_map(|p| p.join().unwrap()).collect()
    });
    let mut sorted = versions.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=40).collect::<Vec<_>>());
}

type Cut = Option<String>;

fn live_cut(sql: &mut Sql, rule: &str) -> Cut {
    sql.rows(&format!("SELECT live_cut FROM rule_engine_resource WHERE rule_id = '{rule}'")).remove(0)
}

fn write_cut(follower: &mut Follower, rule: &str, version: u64, offset: u64) -> Cut {
    let cut = [(PartitionId(0), Offset(offset)), (PartitionId(11), Offset(5))].into();
    follower.source.write_live_cut(rule, version, &cut).unwrap();
    Some(format!(r#"{{"0":{offset},"11":5}}"#))
}

#[test]
fn where_a_rule_took_force_is_written_and_is_no_change() {
    let url = database("cuts");
    let mut store = MysqlStore::open(&url).unwrap();
    let (mut sql, mut follower) = (Sql::connect(&url), Follower::open(&url));
    store.publish(&document("a", "1"), "").unwrap();
    sql.put("by-hand", "1");
    follower.catch_up(&mut sql);
    let updated = store.show("a").unwrap().updated;
    for (rule, version) in [("a", 1), ("by-hand", 7)] {
        let written = write_cut(&mut follower, rule, version, 3);
        wait("the cut", || live_cut(&mut sql, rule) == written);
    }
    assert_eq!(store.show("a").unwrap().updated, updated, "nobody changed the rule");

    // Changes are read in the order of the binlog: the follower would have noticed an earlier repeated
    // change.
    sql.put("c", "1");
    follower.catch_up(&mut sql);
    // A later snapshot has no change either.
    drop(follower);
    let mut follower = Follower::open(&url);
    follower.catch_up(&mut sql);

    // The next version has not taken force yet, and a late report on the one before does not change that.
    store.publish(&document("a", "2"), "").unwrap();
    assert_eq!(live_cut(&mut sql, "a"), None);
    write_cut(&mut follower, "a", 1, 4);
    let behind = write_cut(&mut follower, "c", 1, 4);
    wait("the cut", || live_cut(&mut sql, "c") == behind);
    assert_eq!(live_cut(&mut sql, "a"), None);
    let written = write_cut(&mut follower, "a", 2, 9);
    wait("the cut", || live_cut(&mut sql, "a") == written);
    follower.catch_up(&mut sql);
    assert!(follower.said.is_empty(), "{:?}", follower.said);
}

#[test]
fn a_row_that_somebody_keeps_locked_holds_up_nothing_else() {
    let url = database("locked");
    let (mut sql, mut follower, mut somebody) =
        (Sql::connect(&url), Follower::open(&url), Sql::connect(&url));
    ["a", "b"].iter().for_each(|rule| sql.put(rule, "1"));
    follower.catch_up(&mut sql);
    somebody.run("START TRANSACTION");
    somebody.run("SELECT * FROM rule_engine_resource WHERE rule_id = 'a' FOR UPDATE");
    let first = write_cut(&mut follower, "a", 1, 1);
    let second = write_cut(&mut follower, "b", 1, 2);
    follower.source.write_status("a", 1, RunState::Live, "").unwrap();
    wait("the other rule's cut", || live_cut(&mut sql, "b") == second);
    wait("the state", || sql.rows::<String>("SELECT state FROM rule_status") == ["live"]);
    assert_eq!(live_cut(&mut sql, "a"), None);
    somebody.run("COMMIT");
    wait("the cut", || live_cut(&mut sql, "a") == first);
}

#[test]
fn a_user_who_may_not_write_cuts_follows_and_tells_states() {
    let url = database("grants");
    let mut sql = Sql::connect(&url);
    sql.run("CREATE USER 'reader'@'%' IDENTIFIED BY 'p'");
    sql.run("GRANT SELECT ON grants.* TO 'reader'@'%'");
    sql.run("GRANT INSERT, UPDATE ON grants.rule_status TO 'reader'@'%'");
    let monitor = if sql.mariadb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    sql.run(&format!("GRANT REPLICATION SLAVE, {monitor} ON *.* TO 'reader'@'%'"));
    sql.put("a", "1");
    let mut follower = Follower::open(&url.replace("root@", "reader:p@"));
    follower.catch_up(&mut sql);
    let written = write_cut(&mut follower, "a", 1, 1);
    follower.source.write_status("a", 1, RunState::Live, "").unwrap();
    wait("the state", || sql.rows::<String>("SELECT state FROM rule_status") == ["live"]);
    sql.put("a", "2");
    follower.catch_up(&mut sql);
    assert_eq!(live_cut(&mut sql, "a"), None);
    // The privileges in the documentation suffice, and may be granted later.
    sql.run("GRANT UPDATE (live_cut, update_time) ON grants.rule_engine_resource TO 'reader'@'%'");
    wait("the cut", || live_cut(&mut sql, "a") == written);
}

#[test]
fn migrations_are_applied_once_whoever_comes_first() {
    let server = Mysql::start();
    let url = server.url();
    let error = MysqlStore::open(url).unwrap_err().to_string();
    assert!(error.contains("apply the migrations"), "{error}");
    let mut applied: Vec<u64> = thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| migrate_mysql(url).unwrap())).collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    applied.sort_unstable();
    assert_eq!(applied, [1, 2, 3]);
    assert!(migrate_mysql(url).unwrap().is_empty());
    let mut sql = Sql::connect(url);
    let tables: Vec<String> = sql.rows("SHOW TABLES");
    for table in [
        "rule_engine_resource",
        "rule_version",
        "rule_status",
        "rule_audit",
        "rule_crowd",
        "rule_model_calculator_template",
        "rule_model_sql_template",
    ] {
        assert!(tables.iter().any(|t| t == table), "{table}");
    }
    // An interrupted migration is repeated.
    sql.run("DELETE FROM strateye_migration WHERE version = 2");
    assert_eq!(migrate_mysql(url).unwrap(), [2]);
    sql.run("INSERT INTO strateye_migration (version) VALUES (99)");
    assert!(migrate_mysql(url).unwrap_err().to_string().contains("migration 99, this release knows up to 3"));
}
