//! Property tests: applying the changes of random statements yields the content of the table.

use std::{collections::BTreeMap, fs};

use operators::{
    document::lifecycle::{Gap, RunState, Status},
    model::ids::{Offset, PartitionId},
};
use proptest::prelude::*;
use rusqlite::params;

use super::*;
use crate::rules::{Change, RuleChange, RuleSource, RuleStore};

/// Rules by id, as an engine that applies changes would hold them.
type Rules = BTreeMap<String, (String, Status, Option<u64>)>;

fn document(rule_id: &str, text: &str) -> String {
    format!(r#"{{"rule_id":"{rule_id}","name":"{text}"}}"#)
}

fn apply(rules: &mut Rules, changes: Vec<RuleChange>) -> Vec<String> {
    let mut unreadable = Vec::new();
    for change in changes {
        let rule_id = change.rule_id().unwrap().to_owned();
        match change.change {
            Change::Put(put) => {
                rules.insert(rule_id, (put.document.to_string(), put.status, put.version));
            }
            Change::Remove { .. } => assert!(rules.remove(&rule_id).is_some()),
            Change::Unreadable { reason, .. } => unreadable.push(reason),
        }
    }
    unreadable
}

/// The content of the table, read from scratch.
fn held(connection: &Connection) -> Rules {
    let mut statement = connection
        .prepare("SELECT rule_id, rule_json, status, version FROM rule_engine_resource WHERE status NOT IN ('draft', 'in_review')")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let status = match row.get::<_, String>(2)?.as_str() {
            "online" => Status::Online,
            "paused" => Status::Paused,
            _ => Status::Retired,
        };
        Ok((row.get(0)?, (row.get(1)?, status, row.get(3)?)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Asserts that every version has one document that never changes, the current one among them.
fn check_versions(connection: &Connection) {
    let unversioned: i64 = connection
        .query_row(
            "SELECT count(*) FROM rule_engine_resource r LEFT JOIN rule_version v
             ON v.rule_id = r.rule_id AND v.version = r.version AND v.rule_json = r.rule_json WHERE v.version IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(unversioned, 0);
}

#[derive(Clone, Debug)]
enum Edit {
    Insert { rule: usize, text: usize, version: Option<u8> },
    Replace { rule: usize, text: usize },
    Update { rule: usize, text: usize, version: Option<u8> },
    Status { rule: usize, status: usize },
    Rename { from: usize, to: usize },
    Delete { rule: usize },
    Clear,
    Publish { rule: usize, text: usize },
    Pause { rule: usize },
    Retire { rule: usize },
    Rollback { rule: usize, version: u64 },
    LoseLog,
    Poll,
}

fn edit() -> impl Strategy<Value = Edit> {
    let version = || prop::option::of(1u8..6);
    prop_oneof![
        4 => (0..4usize, 0..3usize, version()).prop_map(|(rule, text, version)| Edit::Insert { rule, text, version }),
        1 => (0..4usize, 0..3usize).prop_map(|(rule, text)| Edit::Replace { rule, text }),
        3 => (0..4usize, 0..3usize, version()).prop_map(|(rule, text, version)| Edit::Update { rule, text, version }),
        3 => (0..4usize, 0..5usize).prop_map(|(rule, status)| Edit::Status { rule, status }),
        1 => (0..4usize, 0..4usize).prop_map(|(from, to)| Edit::Rename { from, to }),
        2 => (0..4usize).prop_map(|rule| Edit::Delete { rule }),
        1 => Just(Edit::Clear),
        3 => (0..4usize, 0..3usize).prop_map(|(rule, text)| Edit::Publish { rule, text }),
        1 => (0..4usize).prop_map(|rule| Edit::Pause { rule }),
        1 => (0..4usize).prop_map(|rule| Edit::Retire { rule }),
        2 => (0..4usize, 1..6u64).prop_map(|(rule, version)| Edit::Rollback { rule, version }),
        1 => Just(Edit::LoseLog),
        5 => Just(Edit::Poll),
    ]
}

/// Makes an edit; statements that the constraints refuse have no effect.
fn make(edit: &Edit, connection: &Connection, store: &mut SqliteStore) {
    let id = |rule: usize| format!("r{rule}");
    let text = |rule: usize, text: usize| document(&id(rule), &format!("t{text}"));
    match *edit {
        Edit::Insert { rule, text: t, version } => drop(connection.execute(
            "INSERT INTO rule_engine_resource (rule_id, rule_json, version) VALUES (?1, ?2, ?3)",
            params![id(rule), text(rule, t), version],
        )),
        Edit::Replace { rule, text: t } => drop(connection.execute(
            "INSERT OR REPLACE INTO rule_engine_resource (rule_id, rule_json) VALUES (?1, ?2)",
            params![id(rule), text(rule, t)],
        )),
        Edit::Update { rule, text: t, version } => drop(connection.execute(
            "UPDATE rule_engine_resource SET rule_json = ?2, version = coalesce(?3, version) WHERE rule_id = ?1",
            params![id(rule), text(rule, t), version],
        )),
        Edit::Status { rule, status } => drop(connection.execute(
            "UPDATE rule_engine_resource SET status = ?2 WHERE rule_id = ?1",
            params![id(rule), ["draft", "in_review", "online", "paused", "retired"][status]],
        )),
        Edit::Rename { from, to } => drop(connection.execute(
            "UPDATE rule_engine_resource SET rule_id = ?2, rule_json = ?3 WHERE rule_id = ?1",
            params![id(from), id(to), text(to, 0)],
        )),
        Edit::Delete { rule } => {
            drop(connection.execute("DELETE FROM rule_engine_resource WHERE rule_id = ?1", [id(rule)]));
        }
        Edit::Clear => drop(connection.execute("DELETE FROM rule_engine_resource", [])),
        Edit::Publish { rule, text: t } => {
            let before = store.versions(&id(rule)).unwrap().last().map_or(0, |v| v.version);
            let published = store.publish(&text(rule, t), "zhang").unwrap();
            assert_eq!(published.version, Some(before + 1));
        }
        Edit::Pause { rule } => drop(store.pause(&id(rule))),
        Edit::Retire { rule } => drop(store.retire(&id(rule))),
        Edit::Rollback { rule, version } => {
            let wanted = store.document(&id(rule), version);
            if let Ok(published) = store.rollback(&id(rule), version) {
                assert_eq!(store.document(&id(rule), published.version.unwrap()).unwrap(), wanted.unwrap());
            }
        }
        Edit::LoseLog => drop(connection.execute("DELETE FROM rule_change", [])),
        Edit::Poll => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_statements_lead_to_what_the_table_holds(edits in prop::collection::vec(edit(), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.db");
        let mut often = SqliteRules::open(&path).unwrap();
        let mut once = SqliteRules::open(&path).unwrap();
        let mut store = SqliteStore::open(&path).unwrap();
        // A client of its own, without the pragmas of the store.
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "synchronous", false).unwrap();
        let (mut rules, mut late) = (Rules::new(), Rules::new());
        for edit in &edits {
            make(edit, &connection, &mut store);
            check_versions(&connection);
            if matches!(edit, Edit::Poll) {
                apply(&mut rules, often.poll().unwrap());
                prop_assert_eq!(&rules, &held(&connection));
            }
        }
        apply(&mut rules, often.poll().unwrap());
        apply(&mut late, once.poll().unwrap());
        prop_assert_eq!(&rules, &held(&connection));
        prop_assert_eq!(&late, &rules);
        prop_assert!(often.poll().unwrap().is_empty() && once.poll().unwrap().is_empty());
    }
}

#[test]
fn what_cannot_be_read_keeps_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut source = SqliteRules::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let mut rules = Rules::new();
    let insert = "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES ('a', ?1)";
    connection.execute(insert, [document("a", "1").into_bytes()]).unwrap();
    assert!(apply(&mut rules, source.poll().unwrap()).is_empty());
    for (set, what) in [
        ("rule_json = '{'", "write one JSON object"),
        ("rule_json = x'7bff'", "not UTF-8"),
        ("rule_json = '{\"rule_id\":\"b\"}'", "`rule_json` is of rule `b`, its row of `a`"),
        ("status = 'onlin'", "write draft, in_review, online, paused or retired"),
    ] {
        connection
            .execute(&format!("UPDATE rule_engine_resource SET {set} WHERE rule_id = 'a'"), [])
            .unwrap();
        let unreadable = apply(&mut rules, source.poll().unwrap());
        assert!(unreadable.len() == 1 && unreadable[0].contains(what), "{unreadable:?}");
        assert_eq!(rules["a"], (document("a", "1"), Status::Online, Some(1)));
    }
    connection.execute("DELETE FROM rule_engine_resource", []).unwrap();
    apply(&mut rules, source.poll().unwrap());
    assert!(rules.is_empty());
}

#[test]
fn odd_rows_keep_no_other_from_being_read_listed_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut source = SqliteRules::open(&path).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let mut rules = Rules::new();
    for rule in ["a", "b", "c"] {
        store.publish(&document(rule, "1"), "").unwrap();
    }
    apply(&mut rules, source.poll().unwrap());
    // An id that equals a rule's as a blob, an invalid one, and values that are no text.
    for odd in [
        "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES (x'61', '{\"rule_id\":\"a\"}')",
        "INSERT INTO rule_engine_resource (rule_id, rule_json) VALUES (CAST(x'ff' AS TEXT), '{}')",
        "UPDATE rule_engine_resource SET status = x'6f6e6c696e65', author = x'ff' WHERE rule_id = 'b'",
        "UPDATE rule_engine_resource SET resume_gap = CAST(x'ff' AS TEXT), rule_json = CAST(x'ff' AS TEXT) WHERE rule_id = 'c'",
    ] {
        assert_eq!(connection.execute(odd, []).unwrap(), 1);
    }
    store.publish(&document("a", "2"), "").unwrap();
    let anew = SqliteRules::open(&path).unwrap().poll().unwrap();
    for (changes, before) in [(source.poll().unwrap(), rules), (anew, Rules::new())] {
        let mut rules = before.clone();
        let unreadable = apply(&mut rules, changes);
        assert_eq!(unreadable.len(), 4, "{unreadable:?}");
        assert!(unreadable.iter().any(|reason| reason.contains("`status` is \"x'6f6e6c696e65'\"")));
        assert_eq!(rules["a"].0, document("a", "2"));
        rules.remove("a");
        assert!(rules.iter().all(|(rule, is)| before.get(rule) == Some(is)), "in force as before");
    }
    let listed = store.list().unwrap();
    let mut statuses: Vec<&str> = listed.iter().map(|rule| rule.status.as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["online", "online", "unreadable", "unreadable", "x'6f6e6c696e65'"]);
    for rule in listed.iter().filter(|rule| rule.status == "online") {
        store.pause(&rule.rule_id).unwrap();
    }
    assert_eq!(source.poll().unwrap().len(), 2);
}

#[test]
fn a_rule_goes_through_its_life() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let mut source = SqliteRules::open(&path).unwrap();
    let published = store.publish(&document("a", "1"), "zhang").unwrap();
    assert_eq!((published.version, published.new), (Some(1), true));
    assert_eq!(store.publish(&document("a", "2"), "").unwrap().version, Some(2));
    store.pause("a").unwrap();
    assert_eq!(store.rollback("a", 1).unwrap().version, Some(3));
    source.write_status("a", 3, RunState::Rejected, "no").unwrap();
    source.write_status("a", 3, RunState::Paused, "").unwrap();
    let shown = store.show("a").unwrap();
    assert_eq!((shown.status.as_str(), shown.document), ("paused", Some(document("a", "1"))));
    assert_eq!(
        (shown.state, shown.author.as_deref()),
        (Some(("paused".into(), String::new())), Some("zhang"))
    );
    store.resume("a", Gap::Replay).unwrap();
    store.retire("a").unwrap();
    store.retire("a").unwrap();
    assert!(store.resume("a", Gap::Replay).unwrap_err().to_string().contains("is retired; publish it"));
    assert!(store.rollback("a", 9).unwrap_err().to_string().contains("no version 9; it has 1 to 3"));
    assert!(store.retire("b").unwrap_err().to_string().starts_with("no rule `b` in "));
    assert!(store.publish("{}", "").is_err());
    assert_eq!(store.versions("a").unwrap().len(), 3);
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].version, listed[0].status.as_str()), (1, Some(3), "retired"));
}

#[test]
fn a_gap_is_of_one_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let mut source = SqliteRules::open(&path).unwrap();
    let mut gap = || match source.poll().unwrap().pop().unwrap().change {
        Change::Put(put) => put.gap,
        change => panic!("{change:?}"),
    };
    store.publish(&document("a", "1"), "").unwrap();
    for publish in [true, false] {
        store.pause("a").unwrap();
        store.resume("a", Gap::Skip).unwrap();
        assert_eq!(gap(), Gap::Skip);
        let published = if publish { store.publish(&document("a", "2"), "") } else { store.rollback("a", 1) };
        assert!(!published.unwrap().new);
        assert_eq!(gap(), Gap::Replay);
    }
}

#[test]
fn where_a_rule_took_force_is_written_and_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let mut source = SqliteRules::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let cut = || -> Option<String> {
        connection.query_row("SELECT live_cut FROM rule_engine_resource", [], |row| row.get(0)).unwrap()
    };
    store.publish(&document("a", "1"), "").unwrap();
    assert_eq!(source.poll().unwrap().len(), 1);
    let updated = store.show("a").unwrap().updated;
    source
        .write_live_cut("a", 1, &[(PartitionId(0), Offset(3)), (PartitionId(11), Offset(5))].into())
        .unwrap();
    assert_eq!(cut().as_deref(), Some(r#"{"0":3,"11":5}"#));
    assert_eq!(store.show("a").unwrap().updated, updated, "nobody changed the rule");
    assert!(source.poll().unwrap().is_empty());
    assert_eq!(SqliteRules::open(&path).unwrap().poll().unwrap().len(), 1);
    // The next version has not taken force yet, and a late report on the one before does not change that.
    store.publish(&document("a", "2"), "").unwrap();
    source.write_live_cut("a", 1, &[(PartitionId(0), Offset(4))].into()).unwrap();
    assert_eq!(cut(), None);
    source.write_live_cut("a", 2, &[(PartitionId(0), Offset(9))].into()).unwrap();
    assert_eq!(cut().as_deref(), Some(r#"{"0":9}"#));
    assert_eq!(source.poll().unwrap().len(), 1);
    assert!(source.poll().unwrap().is_empty());
}

#[test]
fn the_log_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut source = SqliteRules::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000)
                INSERT INTO rule_change (rule_id, at) SELECT 'x', '' FROM n";
    connection.execute(many, []).unwrap();
    assert!(source.poll().unwrap().is_empty());
    let left: i64 = connection.query_row("SELECT count(*) FROM rule_change", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 100_000);
    SqliteStore::open(&path).unwrap().publish(&document("a", "1"), "").unwrap();
    assert_eq!(source.poll().unwrap().len(), 1);
}

#[test]
fn a_log_that_was_put_back_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    let mut source = SqliteRules::open(&path).unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    for rule in ["a", "b"] {
        store.publish(&document(rule, "1"), "").unwrap();
    }
    assert_eq!(source.poll().unwrap().len(), 2);
    // Simulates an earlier copy, without b, that was restored and continued.
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DELETE FROM rule_engine_resource WHERE rule_id = 'b';
             DELETE FROM rule_change WHERE seq >= 2;
             UPDATE sqlite_sequence SET seq = 1 WHERE name = 'rule_change';",
        )
        .unwrap();
    for text in ["2", "3", "4"] {
        store.publish(&document("a", text), "").unwrap();
    }
    let changes = source.poll().unwrap();
    assert!(matches!(
        &changes[..],
        [RuleChange { change: Change::Remove { .. }, .. }, RuleChange { change: Change::Put(_), .. },]
    ));
    let other = folder.path().join("other.db");
    drop(SqliteStore::open(&other).unwrap());
    fs::rename(&other, &path).unwrap();
    assert!(source.poll().unwrap_err().to_string().contains("was replaced while it was open"));
}

#[test]
fn what_is_no_store_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.db");
    fs::write(&path, "this is a text of some length, and no database at all").unwrap();
    assert!(SqliteRules::open(&path).unwrap_err().to_string().contains("check that it is an SQLite file"));
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    assert!(
        SqliteStore::open(&path)
            .unwrap_err()
            .to_string()
            .contains("has schema 3, this release knows up to 2")
    );
}
