//! An evaluator for tests, driven step by step.

use std::{collections::BTreeMap, sync::Arc};

use super::{super::emitted::Emitted, Evaluator};
use crate::{
    document::spec::Rule,
    model::{
        decode::Decoder,
        field::Fields,
        ids::{BookGeneration, CheckpointNumber, Offset},
        key,
        raw::{RawBatch, RawRecord},
        routed::Routed,
    },
    ops::{matcher::Matcher, reload::Loaded},
    rule::{
        book::RuleBook,
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        compile::compile,
        lineage::Successor,
    },
    state::{KeyId, evicted::EvictedKey},
};

/// Stored texts by name and key.
pub(super) type Hashes = BTreeMap<(String, String), String>;

/// Every `A` counts, and sets a timer that is due 100 ms later.
pub(super) const COUNTING: &str = r#"{"rule_id": "r", "key_by": "ip", "conditions": [
    {"id": "n", "calculator": "count", "event": {"id": "A"}},
    {"id": "t", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "100ms"}}
], "trigger": {"each": "t"}}"#;

/// A document as first published at 0.
pub(super) fn published(document: &str) -> Published {
    Published::first(document, 1, 0, BTreeMap::new()).unwrap()
}

/// The next version of a rule, published at `at` (unix ms).
pub(super) fn edited(former: &Published, document: &str, at: i64) -> Published {
    let next = published(document);
    let spec = Arc::new(Rule::parse(document).unwrap());
    let plan = compile(spec, former.publish, &mut Fields::default(), &()).unwrap();
    let version = former.version + 1;
    let successor = Successor { plan: &plan, version, edited: true, departed: false, at };
    Published { version, lineage: former.next_lineage(&successor), ..next }
}

/// Book in which a rule is as published.
pub(super) fn put(catalog: &mut Catalog, published: Published) -> Arc<RuleBook> {
    let set =
        ChangeSet { generation: BookGeneration(1), changes: vec![RuleChange::Put(Box::new(published))] };
    let applied = catalog.apply(&set);
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    applied.book
}

/// `A` sets a timer that is due 100 ms later, and `B` clears it; then nothing is left.
pub(super) const WAITING: &str = r#"{"rule_id": "r", "key_by": "ip", "conditions": [
    {"id": "t", "calculator": "absence", "steps": [{"id": "A"}, {"id": "B"}], "params": {"within": "100ms"}}
], "trigger": {"each": "t"}}"#;

/// Evaluator that evicts everything it may, with the rule [`COUNTING`].
pub(super) fn evaluator() -> Evaluator {
    evaluator_of(COUNTING)
}

/// Evaluator that evicts everything it may, with one rule.
pub(super) fn evaluator_of(document: &str) -> Evaluator {
    evaluator_by(&mut Catalog::default(), published(document))
}

/// Like [`evaluator_of`], with a catalog that can make further books.
pub(super) fn evaluator_by(catalog: &mut Catalog, published: Published) -> Evaluator {
    let mut evaluator = Evaluator::new(catalog.book());
    evaluator.bound(0);
    evaluator.install(put(catalog, published));
    evaluator.resume(CheckpointNumber(0));
    evaluator
}

pub(super) fn hash(evaluator: &Evaluator, key: &str) -> u64 {
    key::route(evaluator.book().key_seeds[0], key)
}

/// Sends an event of an `ip`.
pub(super) fn send(evaluator: &mut Evaluator, key: &str, event_id: &str, now: i64) -> Emitted {
    let mut matcher = Matcher::new(Decoder::of_milliseconds(), Arc::clone(&evaluator.book), false);
    let line = format!(r#"{{"ip": "{key}", "event_id": "{event_id}", "event_time": {now}}}"#);
    let records = vec![RawRecord { offset: Offset(0), start: 0, end: line.len() as u32, time: None }];
    let batch = RawBatch { bytes: line.into_bytes(), records, ..RawBatch::default() };
    let mut routed = Routed::default();
    matcher.batch(&batch, &mut routed, &mut Vec::new());
    assert_eq!(routed.len(), 1);
    let mut emitted = Emitted::default();
    evaluator.record(&routed.get(0).unwrap(), &mut emitted);
    emitted
}

/// Sends an `A` of an `ip`.
pub(super) fn event(evaluator: &mut Evaluator, key: &str, now: i64) {
    send(evaluator, key, "A", now);
}

/// Takes checkpoint `n`.
pub(super) fn save(evaluator: &mut Evaluator, n: u64, stored: &mut Hashes) {
    while evaluator.has_unsaved() {
        for change in evaluator.save(1).changes() {
            let text = change.text.map(str::to_owned);
            let at = (change.name.to_owned(), change.key.to_owned());
            match text {
                Some(text) => drop(stored.insert(at, text)),
                None => drop(stored.remove(&at)),
            }
        }
    }
    evaluator.saved(CheckpointNumber(n));
}

/// Reloads a key.
pub(super) fn load(evaluator: &mut Evaluator, key: &str, stored: &Hashes) -> KeyId {
    let wanted = evaluator.wanted(EvictedKey { group: 0, hash: hash(evaluator, key), key: key.into() });
    let text =
        |(place, name): (usize, &String)| Some((place, stored.get(&(name.clone(), key.to_owned()))?.clone()));
    let texts = wanted.names.iter().enumerate().filter_map(text).collect();
    let mut refused = Vec::new();
    let id = evaluator.reload(&Loaded { wanted, texts }, &mut refused);
    assert_eq!(refused, Vec::<String>::new());
    id
}
