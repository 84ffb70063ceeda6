use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    model::{
        decode::Decoder,
        ids::{BookGeneration, CheckpointNumber, Offset},
        raw::{RawBatch, RawRecord},
        routed::Routed,
    },
    ops::{Emitted, Loaded, matcher::Matcher},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
    },
    state::evicted::EvictedKey,
};

/// Evaluator in which every `A` counts, by user and by address.
fn evaluator() -> Evaluator {
    let put = |key_by: &str| {
        let document = format!(
            r#"{{"rule_id": "r-{key_by}", "key_by": "{key_by}", "trigger": {{"event": {{"id": "B"}}}}, "conditions": [
                {{"id": "n", "calculator": "count", "event": {{"id": "A"}}}}]}}"#
        );
        RuleChange::Put(Box::new(Published::first(&document, 1, 0, BTreeMap::new()).unwrap()))
    };
    let mut catalog = Catalog::default();
    let applied =
        catalog.apply(&ChangeSet { generation: BookGeneration(1), changes: vec![put("guid"), put("ip")] });
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    let mut evaluator = Evaluator::new(Catalog::default().book());
    evaluator.bound(0);
    evaluator.install(applied.book);
    evaluator.resume(CheckpointNumber(0));
    evaluator
}

/// Sends an `A` in a partition.
fn event(evaluator: &mut Evaluator, partition: u32, guid: u64, ip: &str) {
    let mut matcher = Matcher::new(Decoder::of_milliseconds(), Arc::clone(&evaluator.book), false);
    let line = format!(r#"{{"guid": {guid}, "ip": "{ip}", "event_id": "A", "event_time": 10}}"#);
    let records = vec![RawRecord { offset: Offset(0), start: 0, end: line.len() as u32, time: None }];
    let batch = RawBatch {
        partition: PartitionId(partition),
        bytes: line.into_bytes(),
        records,
        ..RawBatch::default()
    };
    let mut routed = Routed::default();
    matcher.batch(&batch, &mut routed, &mut Vec::new());
    assert_eq!(routed.len(), 2, "one for the user, one for the address");
    for i in 0..routed.len() {
        evaluator.record(&routed.get(i).unwrap(), &mut Emitted::default());
    }
}

/// Has all keys evicted and reloaded.
fn leave_and_return(evaluator: &mut Evaluator, n: u64) {
    let keys: Vec<EvictedKey> =
        evaluator.store.ids().map(|id| evaluator.store.block(id).evicted_key()).collect();
    let changed = evaluator.save(100);
    let stored: BTreeMap<_, _> = changed
        .changes()
        .map(|c| ((c.name.to_owned(), c.key.to_owned()), c.text.unwrap().to_owned()))
        .collect();
    evaluator.saved(CheckpointNumber(n));
    evaluator.compacted(CheckpointNumber(n));
    evaluator.evict(100);
    assert_eq!(evaluator.keys(), 0);
    for key in keys {
        let wanted = evaluator.wanted(key);
        let text = |(place, name): (usize, &String)| {
            Some((place, stored.get(&(name.clone(), wanted.key.key.to_string()))?.clone()))
        };
        let texts = wanted.names.iter().enumerate().filter_map(text).collect();
        evaluator.reload(&Loaded { wanted, texts }, &mut Vec::new());
    }
}

#[test]
fn a_key_of_two_partitions_counts_once_and_the_first_is_named() {
    let mut evaluator = evaluator();
    event(&mut evaluator, 4, 1, "x");
    event(&mut evaluator, 4, 1, "x");
    event(&mut evaluator, 5, 2, "y");
    assert_eq!(evaluator.take_split(), None, "each stays where it is");
    event(&mut evaluator, 0, 3, "x");
    let ip = SplitKeys {
        key_by: "ip".to_owned(),
        of_user: false,
        count: 1,
        key: "x".to_owned(),
        partitions: (PartitionId(4), PartitionId(0)),
    };
    assert_eq!(evaluator.take_split(), Some(vec![ip.clone()]));
    event(&mut evaluator, 7, 3, "x");
    event(&mut evaluator, 7, 2, "y");
    event(&mut evaluator, 4, 1, "x");
    let guid = SplitKeys {
        key_by: "guid".to_owned(),
        of_user: true,
        count: 2,
        key: "3".to_owned(),
        partitions: (PartitionId(0), PartitionId(7)),
    };
    assert_eq!(evaluator.take_split(), Some(vec![guid, SplitKeys { count: 2, ..ip }]));
    event(&mut evaluator, 1, 3, "x");
    assert_eq!(evaluator.take_split(), None, "all of it is counted");
}

#[test]
fn a_key_that_leaves_memory_keeps_its_partitions() {
    let mut evaluator = evaluator();
    event(&mut evaluator, 4, 1, "x");
    leave_and_return(&mut evaluator, 1);
    event(&mut evaluator, 4, 1, "x");
    assert_eq!(evaluator.take_split(), None);
    event(&mut evaluator, 5, 2, "x");
    let counts = |split: Option<Vec<SplitKeys>>| split.map(|all| all.iter().map(|k| k.count).sum::<u64>());
    assert_eq!(counts(evaluator.take_split()), Some(1));
    leave_and_return(&mut evaluator, 2);
    event(&mut evaluator, 6, 2, "x");
    assert_eq!(
        counts(evaluator.take_split()),
        Some(2),
        "the address is not counted again, the user is found"
    );
}
