//! Tests of what is special about the file: later schemas, other files, several processes.

use std::{fs, thread};

use operators::model::ids::CheckpointNumber;

use super::*;
use crate::checkpoint::CheckpointStore;

#[test]
fn a_file_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    SqliteCheckpoints::open(&path).unwrap();
    SqliteCheckpoints::open(&path).unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    let error = SqliteCheckpoints::open(&path).unwrap_err();
    assert!(matches!(error, CheckpointError::Schema { found, .. } if found == SCHEMA + 1), "{error}");
}

#[test]
fn a_file_of_the_first_release_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    let generation = store.take("a", BUSY).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"one").unwrap();
    let former = "ALTER TABLE committed DROP COLUMN folded; ALTER TABLE hash DROP COLUMN n;
                  ALTER TABLE committed DROP COLUMN start;";
    store.connection.execute_batch(former).unwrap();
    store.connection.pragma_update(None, "user_version", 1).unwrap();
    drop(store);
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    assert_eq!(store.committed().unwrap().unwrap().manifest, b"one");
    assert_eq!(store.mark_compacted(generation, CheckpointNumber(1)).unwrap(), CheckpointNumber(1));
    assert_eq!(store.commit(generation, CheckpointNumber(2), b"two").unwrap(), CheckpointNumber(1));
    SqliteCheckpoints::open(&path).unwrap();
}

#[test]
fn a_lease_ends_by_the_machines_own_clock_and_with_its_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteCheckpoints::open(&folder.path().join("state.db")).unwrap();
    const LEASE: Duration = Duration::from_secs(3_600);
    store.take("a", LEASE).unwrap();
    let for_ms = |store: &mut SqliteCheckpoints, by: &str| match store.take(by, LEASE).unwrap_err() {
        CheckpointError::Owned { for_ms, .. } => for_ms,
        error => panic!("{error}"),
    };
    assert!((3_500_000..=3_600_000).contains(&for_ms(&mut store, "b")));
    // As the last start of the machine left it, however long the lease and whatever the clock on the wall says.
    store.connection.execute("UPDATE committed SET until = 9e15, start = 'another'", []).unwrap();
    store.take("b", LEASE).unwrap();
    assert!(for_ms(&mut store, "a") <= 3_600_000);
    // As a former release left it: an instant of the wall clock.
    store.connection.execute("UPDATE committed SET owner = 'c', until = 9e15, start = NULL", []).unwrap();
    store.take("a", LEASE).unwrap();
}

#[test]
fn an_error_names_the_file_that_is_no_checkpoint_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "this is plain text, and long enough not to be taken for an empty file".repeat(20))
        .unwrap();
    let error = SqliteCheckpoints::open(&path).unwrap_err();
    assert!(error.to_string().contains("notes.txt") && !error.is_transient(), "{error}");
}

#[test]
fn a_deleted_file_is_noticed_at_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    let generation = store.take("a", BUSY).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"one").unwrap();
    fs::remove_file(&path).unwrap();
    let error = store.commit(generation, CheckpointNumber(2), b"two").unwrap_err();
    assert!(matches!(error, CheckpointError::Emptied { .. }), "{error}");
    SqliteCheckpoints::open(&path).unwrap();
    assert!(store.commit(generation, CheckpointNumber(2), b"two").is_err(), "it is another file");
}

#[test]
fn many_connections_make_the_file_and_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    thread::scope(|scope| {
        for worker in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let mut store = SqliteCheckpoints::open(path).unwrap();
                for chunk in 0..10 {
                    store.put_blob(&format!("ckpt:1:1:{worker}:{chunk}"), &[worker; 10_000]).unwrap();
                }
            });
        }
    });
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    assert_eq!(store.blobs().unwrap().len(), 80);
    assert_eq!(store.blob("ckpt:1:1:7:9").unwrap(), Some(vec![7; 10_000]));
}

#[test]
fn a_write_that_waits_too_long_fails_as_transient() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    store.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let mut other = SqliteCheckpoints::open(&path).unwrap();
    let held = other.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    assert!(store.put_blob("ckpt:1", b"").unwrap_err().is_transient());
    assert_eq!(store.blobs().unwrap(), Vec::<String>::new());
    drop(held);
    store.put_blob("ckpt:1", b"").unwrap();
}

#[test]
fn an_edit_written_by_hand_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = SqliteCheckpoints::open(&path).unwrap();
    store
        .connection
        .execute("INSERT INTO edit (pairs) VALUES ('{\"rule\":\"r\",\"key\":\"k\"}')", [])
        .unwrap();
    let edits = store.edits(None, 10).unwrap();
    assert_eq!(edits[0].pairs, [("rule".to_owned(), "r".to_owned()), ("key".to_owned(), "k".to_owned())]);
    for odd in ["x'7b22ff'", "CAST(x'7b22ff' AS TEXT)", "7", "x'7b2261223a2231227d'"] {
        store.connection.execute(&format!("INSERT INTO edit (pairs) VALUES ({odd})"), []).unwrap();
    }
    let pairs: Vec<_> = store.edits(None, 10).unwrap().drain(1..).flat_map(|edit| edit.pairs).collect();
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let unreadable = pair("unreadable", "{\"\u{fffd}");
    assert_eq!(pairs, [unreadable.clone(), unreadable, pair("unreadable", "7"), pair("a", "1")]);
    store.trim_edits("5").unwrap();
    assert_eq!(store.edits(None, 10).unwrap(), []);
    store.trim_edits(&edits[0].position).unwrap();
    store.push_edit(&[("a", "1")]).unwrap();
    assert_eq!(store.edits(Some(&edits[0].position), 10).unwrap().len(), 1);
}
