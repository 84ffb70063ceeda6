//! Tests of the contract of every store.

use std::{collections::HashMap, time::Duration};

use operators::model::ids::{CheckpointNumber, OwnerGeneration};
use strateye_sinks::checkpoint::{CheckpointError, CheckpointSpan, FieldChange, MAX_BLOB, MAX_NUMBER};

use super::support::{FIRST, LONG, Open, Store, scanned, wait_for};

pub(crate) fn run(open: &Open<'_>) {
    one_owner_at_a_time(&|| open("owner"));
    a_lease_expires(&|| open("lease"));
    commits_ascend_and_may_be_repeated(&|| open("commit"));
    blobs_are_kept_byte_for_byte(&|| open("blob"));
    fields_are_changed_in_order(&|| open("fold"));
    compacted_up_to_ascends(&|| open("mark"));
    a_call_that_arrives_late_undoes_nothing(&|| open("late"));
    a_zombie_changes_nothing(&|| open("zombie"));
    many_odd_fields_come_back(&|| open("scan"));
    edits_come_in_order(&|| open("edit"));
}

fn is_fenced<T>(result: Result<T, CheckpointError>, generation: OwnerGeneration, by: OwnerGeneration) {
    match result {
        Err(CheckpointError::Fenced { generation: g, by: b }) => assert_eq!((g, b), (generation, by)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not fenced"),
    }
}

fn one_owner_at_a_time(open: &dyn Fn() -> Store) {
    let (mut first, mut second) = (open(), open());
    let taken = first.take("first", LONG).unwrap();
    assert_eq!(taken.committed, None);
    match second.take("second", LONG) {
        Err(CheckpointError::Owned { owner, for_ms, .. }) => {
            assert_eq!(owner, "first");
            assert!(for_ms > 0 && for_ms <= LONG.as_millis() as u64, "{for_ms}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(first.renew(taken.generation, LONG).unwrap(), None);
    let again = first.take("first", LONG).unwrap();
    assert!(again.generation > taken.generation);
    is_fenced(first.renew(taken.generation, LONG), taken.generation, again.generation);
    // A lost ownership can't be released.
    first.release(taken.generation).unwrap();
    assert_eq!(first.renew(again.generation, LONG).unwrap(), None);
    first.commit(again.generation, CheckpointNumber(7), b"seven").unwrap();
    first.release(again.generation).unwrap();
    first.release(again.generation).unwrap();
    is_fenced(first.renew(again.generation, LONG), again.generation, again.generation);
    is_fenced(first.commit(again.generation, CheckpointNumber(8), b""), again.generation, again.generation);
    let next = second.take("second", LONG).unwrap();
    assert!(next.generation > again.generation);
    let committed = next.committed.unwrap();
    assert_eq!((committed.generation, committed.number), (again.generation, CheckpointNumber(7)));
    assert_eq!(committed.manifest, b"seven");
    assert_eq!(second.renew(next.generation, LONG).unwrap(), Some(CheckpointNumber(7)));
}

fn a_lease_expires(open: &dyn Fn() -> Store) {
    let (mut first, mut second) = (open(), open());
    let taken = first.take("first", LONG).unwrap();
    assert!(matches!(second.take("second", LONG), Err(CheckpointError::Owned { .. })));
    first.renew(taken.generation, Duration::from_millis(30)).unwrap();
    let next = wait_for("the end of the lease", || second.take("second", LONG).ok());
    is_fenced(first.renew(taken.generation, LONG), taken.generation, next.generation);
    is_fenced(
        first.commit(taken.generation, CheckpointNumber(1), b"late"),
        taken.generation,
        next.generation,
    );
    assert_eq!(second.committed().unwrap(), None);
    // An expired lease is still valid as long as no other engine has taken the ownership.
    second.renew(next.generation, Duration::ZERO).unwrap();
    second.commit(next.generation, CheckpointNumber(1), b"in time").unwrap();
    assert_eq!(second.renew(next.generation, LONG).unwrap(), Some(CheckpointNumber(1)));
}

fn commits_ascend_and_may_be_repeated(open: &dyn Fn() -> Store) {
    let mut store = open();
    let generation = store.take("a", LONG).unwrap().generation;
    let manifest: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    store.commit(generation, CheckpointNumber(5), &manifest).unwrap();
    store.commit(generation, CheckpointNumber(5), &manifest).unwrap();
    let refused = |result: Result<CheckpointNumber, CheckpointError>, refused: u64| match result {
        Err(CheckpointError::OutOfOrder { number, last }) => assert_eq!((number.0, last.0), (refused, 5)),
        other => panic!("{other:?}"),
    };
    refused(store.commit(generation, CheckpointNumber(5), b"another one"), 5);
    refused(store.commit(generation, CheckpointNumber(4), &manifest), 4);
    assert_eq!(open().committed().unwrap().unwrap().manifest, manifest);
    assert!(matches!(
        store.commit(generation, CheckpointNumber(MAX_NUMBER + 1), b""),
        Err(CheckpointError::TooLarge { .. })
    ));
    // Numbers are compared as numbers, and ascend over generations.
    let next = store.take("a", LONG).unwrap();
    assert_eq!(next.committed.unwrap().number, CheckpointNumber(5));
    refused(store.commit(next.generation, CheckpointNumber(5), &manifest), 5);
    store.commit(next.generation, CheckpointNumber(10), b"").unwrap();
    store.commit(next.generation, CheckpointNumber(MAX_NUMBER), b"last").unwrap();
    let committed = open().committed().unwrap().unwrap();
    assert_eq!((committed.generation, committed.number), (next.generation, CheckpointNumber(MAX_NUMBER)));
    assert_eq!(committed.manifest, b"last");
}

fn blobs_are_kept_byte_for_byte(open: &dyn Fn() -> Store) {
    let (mut store, mut other) = (open(), open());
    assert_eq!(store.blobs().unwrap(), Vec::<String>::new());
    assert_eq!(store.blob("ckpt:1:1:0:0").unwrap(), None);
    let large: Vec<u8> = (0..MAX_BLOB).map(|i| (i % 251) as u8).collect();
    store.put_blob("ckpt:1:2:0:0", &large).unwrap();
    store.put_blob("ckpt:1:10:0:0", b"\0\xff").unwrap();
    store.put_blob("crowd:重庆", b"").unwrap();
    store.put_blob("ckpt:1:10:0:0", b"\0\xfe").unwrap();
    // Names next to those of blobs.
    let generation = store.take("a", LONG).unwrap().generation;
    store.commit(generation, CheckpointNumber(1), b"").unwrap();
    store.apply(generation, FIRST, "ckpt:1", &[("a", Some("1"))]).unwrap();
    assert_eq!(other.blobs().unwrap(), ["ckpt:1:10:0:0", "ckpt:1:2:0:0", "crowd:重庆"]);
    assert!(other.blob("ckpt:1:2:0:0").unwrap().unwrap() == large);
    assert_eq!(other.blob("ckpt:1:10:0:0").unwrap().unwrap(), b"\0\xfe");
    assert_eq!(other.blob("crowd:重庆").unwrap().unwrap(), b"");
    let some = ["ckpt:1:2:0:0", "ckpt:none", "crowd:重庆"].map(str::to_owned);
    assert_eq!(other.missing_blobs(&some).unwrap(), ["ckpt:none"]);
    assert_eq!(other.missing_blobs(&[]).unwrap(), Vec::<String>::new());
    other.remove_blobs(&["ckpt:1:2:0:0".into(), "ckpt:none".into()]).unwrap();
    assert_eq!(other.missing_blobs(&some).unwrap(), some[..2]);
    other.remove_blobs(&[]).unwrap();
    assert_eq!(store.blobs().unwrap(), ["ckpt:1:10:0:0", "crowd:重庆"]);
    let too_large = store.put_blob("ckpt:1", &[0].repeat(MAX_BLOB + 1));
    assert!(matches!(too_large, Err(CheckpointError::TooLarge { .. })));
    for name in ["", "committed", "edits", "s:a", "ckpt"] {
        assert!(matches!(store.put_blob(name, b""), Err(CheckpointError::Invalid { .. })), "{name}");
        assert!(matches!(store.blob(name), Err(CheckpointError::Invalid { .. })), "{name}");
        assert!(
            matches!(store.missing_blobs(&[name.into()]), Err(CheckpointError::Invalid { .. })),
            "{name}"
        );
        assert!(matches!(store.remove_blobs(&[name.into()]), Err(CheckpointError::Invalid { .. })), "{name}");
    }
    assert_eq!(store.committed().unwrap().unwrap().number, CheckpointNumber(1));
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|&(field, text)| (field.to_owned(), text.to_owned())).collect()
}

fn fields_are_changed_in_order(open: &dyn Fn() -> Store) {
    let mut store = open();
    let g = store.take("a", LONG).unwrap().generation;
    store.apply(g, FIRST, "r:c:1", &[]).unwrap();
    assert_eq!(store.hashes().unwrap(), Vec::<String>::new());
    store
        .apply(g, FIRST, "r:c:1", &[("a", Some("1")), ("b", Some("2")), ("a", None), ("none", None)])
        .unwrap();
    assert_eq!(scanned(&mut *store, "r:c:1"), map(&[("b", "2")]));
    store
        .apply(g, FIRST, "r:c:1", &[("b", None), ("b", Some("3")), ("c", Some("")), ("c", Some("4"))])
        .unwrap();
    assert_eq!(scanned(&mut *store, "r:c:1"), map(&[("b", "3"), ("c", "4")]));
    let (one, two): (&[FieldChange<'_>], &[FieldChange<'_>]) = (&[("b", None)], &[("x", Some("5"))]);
    store.apply_many(g, FIRST, &[("r:c:1", one), ("r:d:1", two), ("r:e:1", &[]), ("r:c:1", two)]).unwrap();
    assert_eq!(open().hashes().unwrap(), ["r:c:1", "r:d:1"]);
    let found = open().fields("r:c:1", &["x", "b", "c", "x", ""]).unwrap();
    assert_eq!(found, [Some("5".into()), None, Some("4".into()), Some("5".into()), None]);
    assert_eq!(open().fields("r:none:1", &["x"]).unwrap(), [None]);
    assert_eq!(open().fields("r:c:1", &[]).unwrap(), Vec::<Option<String>>::new());
    assert_eq!(scanned(&mut *open(), "r:none:1"), map(&[]));
    store.drop_hash(g, "r:c:1").unwrap();
    store.drop_hash(g, "r:none:1").unwrap();
    assert_eq!(store.hashes().unwrap(), ["r:d:1"]);
    assert_eq!(scanned(&mut *store, "r:c:1"), map(&[]));
    // A hash without fields is listed as well.
    store.apply(g, FIRST, "r:d:1", &[("x", None)]).unwrap();
    assert_eq!(store.hashes().unwrap(), ["r:d:1"]);
    assert_eq!(scanned(&mut *store, "r:d:1"), map(&[]));
    for odd in ["", ":", "重庆 *?[a]\\{b}", "r:c:1:0", "\0"] {
        store.apply(g, FIRST, odd, &[("f", Some(odd))]).unwrap();
        assert_eq!(scanned(&mut *store, odd), map(&[("f", odd)]));
    }
    assert_eq!(store.hashes().unwrap().len(), 6);
}

fn compacted_up_to_ascends(open: &dyn Fn() -> Store) {
    let (mut keeper, mut compactor) = (open(), open());
    let g = keeper.take("a", LONG).unwrap().generation;
    assert_eq!(keeper.commit(g, CheckpointNumber(9), b"").unwrap(), CheckpointNumber(0));
    compactor.apply(g, FIRST, "r:c:1", &[("a", Some("1"))]).unwrap();
    assert_eq!(compactor.mark_compacted(g, CheckpointNumber(9)).unwrap(), CheckpointNumber(9));
    assert_eq!(keeper.commit(g, CheckpointNumber(10), b"").unwrap(), CheckpointNumber(9));
    assert_eq!(keeper.commit(g, CheckpointNumber(10), b"").unwrap(), CheckpointNumber(9));
    // Numbers are compared as numbers; a lower one, already applied, changes nothing.
    assert_eq!(compactor.mark_compacted(g, CheckpointNumber(10)).unwrap(), CheckpointNumber(10));
    assert_eq!(compactor.mark_compacted(g, CheckpointNumber(9)).unwrap(), CheckpointNumber(10));
    assert!(matches!(
        compactor.mark_compacted(g, CheckpointNumber(MAX_NUMBER + 1)),
        Err(CheckpointError::TooLarge { .. })
    ));
    // Compaction continues after the ownership was released.
    keeper.release(g).unwrap();
    assert_eq!(compactor.mark_compacted(g, CheckpointNumber(11)).unwrap(), CheckpointNumber(11));
    let next = keeper.take("a", LONG).unwrap().generation;
    is_fenced(compactor.mark_compacted(g, CheckpointNumber(12)), g, next);
    assert_eq!(keeper.commit(next, CheckpointNumber(12), b"").unwrap(), CheckpointNumber(11));
    assert_eq!(
        compactor.mark_compacted(next, CheckpointNumber(MAX_NUMBER)).unwrap(),
        CheckpointNumber(MAX_NUMBER)
    );
    assert_eq!(compactor.mark_compacted(next, CheckpointNumber(13)).unwrap(), CheckpointNumber(MAX_NUMBER));
}

fn a_call_that_arrives_late_undoes_nothing(open: &dyn Fn() -> Store) {
    let mut store = open();
    let generation = store.take("a", LONG).unwrap().generation;
    let span = |first, last| CheckpointSpan { first: CheckpointNumber(first), last: CheckpointNumber(last) };
    let mut field = |generation, span, text| {
        store.apply(generation, span, "r:c:1", &[("a", Some(text))]).unwrap();
        store.fields("r:c:1", &["a"]).unwrap().remove(0).unwrap()
    };
    assert_eq!(field(generation, span(5, 7), "7"), "7");
    assert_eq!(field(generation, span(8, 9), "9"), "9");
    assert_eq!(field(generation, span(5, 7), "7"), "9", "all of it is applied");
    assert_eq!(field(generation, span(7, 10), "10"), "10", "a part of it is not");
    assert_eq!(field(generation, span(5, 7), "7"), "10", "as before");
    let next = open().take("a", LONG).unwrap().generation;
    // Its numbers may be of another history.
    assert_eq!(field(next, span(6, 6), "six"), "six");
}

fn a_zombie_changes_nothing(open: &dyn Fn() -> Store) {
    let (mut zombie, mut store) = (open(), open());
    let old = zombie.take("zombie", LONG).unwrap().generation;
    zombie.apply(old, FIRST, "r:c:1", &[("a", Some("1")), ("b", Some("1"))]).unwrap();
    zombie.apply(old, FIRST, "r:d:1", &[("a", Some("1"))]).unwrap();
    zombie.commit(old, CheckpointNumber(1), b"old").unwrap();
    zombie.release(old).unwrap();
    let new = store.take("successor", LONG).unwrap().generation;
    store.apply(new, FIRST, "r:c:1", &[("a", Some("2")), ("b", None)]).unwrap();
    is_fenced(zombie.apply(old, FIRST, "r:c:1", &[("a", Some("3")), ("b", Some("3"))]), old, new);
    is_fenced(zombie.apply(old, FIRST, "r:c:1", &[("a", None)]), old, new);
    is_fenced(zombie.drop_hash(old, "r:c:1"), old, new);
    is_fenced(zombie.commit(old, CheckpointNumber(2), b"late"), old, new);
    is_fenced(zombie.mark_compacted(old, CheckpointNumber(2)), old, new);
    is_fenced(zombie.commit(old, CheckpointNumber(1), b"old"), old, new);
    is_fenced(zombie.renew(old, LONG), old, new);
    zombie.release(old).unwrap();
    assert_eq!(scanned(&mut *store, "r:c:1"), map(&[("a", "2")]));
    assert_eq!(store.renew(new, LONG).unwrap(), Some(CheckpointNumber(1)));
    store.commit(new, CheckpointNumber(2), b"new").unwrap();
    // A hash that the successor has not changed yet accepts changes of the old engine, and the successor's
    // restore reads them.
    zombie.apply(old, FIRST, "r:d:1", &[("a", Some("4"))]).unwrap();
    assert_eq!(scanned(&mut *store, "r:d:1"), map(&[("a", "4")]));
    store.apply(new, FIRST, "r:d:1", &[("a", Some("5"))]).unwrap();
    store.drop_hash(new, "r:c:1").unwrap();
    assert_eq!(store.hashes().unwrap(), ["r:d:1"]);
}

fn many_odd_fields_come_back(open: &dyn Fn() -> Store) {
    let mut store = open();
    let generation = store.take("a", LONG).unwrap().generation;
    let mut expected: HashMap<String, String> =
        (0..100_000).map(|i| (format!("键{i}"), format!("{{\"值\":{i}}}"))).collect();
    let odd =
        ["", "@", "@@", "@generation", "@@generation", "generation", "\0", "a\0b", "\n", "😀", " ", "*"];
    for field in odd {
        expected.insert(field.to_owned(), format!("of {field}"));
    }
    expected.insert("empty text".to_owned(), String::new());
    expected.insert("long text".to_owned(), "长".repeat(1_000_000));
    let changes: Vec<FieldChange<'_>> =
        expected.iter().map(|(field, text)| (field.as_str(), Some(text.as_str()))).collect();
    store.apply(generation, FIRST, "r:c:1", &changes).unwrap();
    assert!(scanned(&mut *open(), "r:c:1") == expected);
    let asked: Vec<&str> = expected.keys().map(String::as_str).collect();
    let texts = store.fields("r:c:1", &asked).unwrap();
    assert!(asked.iter().zip(texts).all(|(&field, text)| text.as_ref() == expected.get(field)));
    let deletions: Vec<FieldChange<'_>> = odd.iter().map(|&field| (field, None)).collect();
    store.apply(generation, FIRST, "r:c:1", &deletions).unwrap();
    odd.iter().for_each(|&field| drop(expected.remove(field)));
    assert!(scanned(&mut *open(), "r:c:1") == expected);
    let former = OwnerGeneration(generation.0 - 1);
    is_fenced(store.apply(former, FIRST, "r:c:1", &[("键1", None)]), former, generation);
}

fn edits_come_in_order(open: &dyn Fn() -> Store) {
    let mut store = open();
    assert_eq!(store.edits(None, 10).unwrap(), vec![]);
    assert!(matches!(store.push_edit(&[]), Err(CheckpointError::Invalid { .. })));
    let texts = ["", "重庆", "@\0", "4", "5"];
    let positions: Vec<String> = texts
        .iter()
        .map(|text| open().push_edit(&[("rule", "r"), ("value", text), ("value", "x")]).unwrap())
        .collect();
    let all = store.edits(None, 100).unwrap();
    assert_eq!(
        all.iter().map(|edit| &edit.position).collect::<Vec<_>>(),
        positions.iter().collect::<Vec<_>>()
    );
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    for (edit, text) in all.iter().zip(texts) {
        assert_eq!(edit.pairs, [pair("rule", "r"), pair("value", text), pair("value", "x")]);
    }
    assert_eq!(store.edits(None, 2).unwrap(), all[..2]);
    assert_eq!(store.edits(Some(&positions[1]), 2).unwrap(), all[2..4]);
    assert_eq!(store.edits(Some(&positions[4]), 2).unwrap(), vec![]);
    assert_eq!(store.edits(None, 0).unwrap(), vec![]);
    store.trim_edits(&positions[2]).unwrap();
    assert_eq!(store.edits(None, 100).unwrap(), all[3..]);
    assert_eq!(store.edits(Some(&positions[0]), 100).unwrap(), all[3..]);
    store.trim_edits(&positions[4]).unwrap();
    assert_eq!(store.edits(None, 100).unwrap(), vec![]);
    // Positions continue after deleted ones.
    let next = store.push_edit(&[("rule", "r")]).unwrap();
    assert_eq!(store.edits(Some(&positions[4]), 100).unwrap()[0].position, next);
    for wrong in ["", "nonsense", "-1", "1-x"] {
        assert!(matches!(store.edits(Some(wrong), 1), Err(CheckpointError::Invalid { .. })), "{wrong}");
        assert!(matches!(store.trim_edits(wrong), Err(CheckpointError::Invalid { .. })), "{wrong}");
    }
}
