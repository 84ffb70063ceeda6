use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::rule::{
    book::RuleBook,
    catalog::Catalog,
    change::{ChangeSet, Published, RuleChange},
};

/// A book of one rule with these calculators, of a version in which each condition began as given.
fn book(conditions: &[(&str, u64)]) -> Arc<RuleBook> {
    let written = |(i, (calculator, _)): (usize, &(&str, u64))| {
        let params = if *calculator == "stats" { r#""params": {"of": "amt"}, "# } else { "" };
        format!(r#"{{"id": "c{i}", "calculator": "{calculator}", {params}"event": {{"id": "A"}}}}"#)
    };
    let all: Vec<String> = conditions.iter().enumerate().map(written).collect();
    let document = format!(
        r#"{{"rule_id": "r", "key_by": "ip", "trigger": {{"event": {{"id": "T"}}}}, "when": "{}", "conditions": [{}]}}"#,
        if conditions.len() == 1 { "c0" } else { "c0 && c1" },
        all.join(",")
    )
    .replace(r#""id": "c0", "calculator": "stats","#, r#""id": "c0", "met": "sum > 1", "calculator": "stats","#)
    .replace(r#""id": "c1", "calculator": "stats","#, r#""id": "c1", "met": "sum > 1", "calculator": "stats","#);
    let mut first = Published::first(&document, 1, 0, BTreeMap::new()).unwrap();
    for (beginning, (_, since)) in first.lineage.conditions.iter_mut().zip(conditions) {
        beginning.since = *since;
    }
    let change = RuleChange::Put(Box::new(first));
    Catalog::default().apply(&ChangeSet { changes: vec![change], ..ChangeSet::default() }).book
}

fn install(layout: &mut Layout, book: &RuleBook, round: u64) -> RuleParts {
    layout.install([(0, &*book.rules[0])].into_iter(), round).remove(0).1
}

#[test]
fn a_condition_that_goes_on_keeps_its_ordinal() {
    let mut layout = Layout::default();
    let first = install(&mut layout, &book(&[("count", 1), ("stats", 1)]), 0);
    let second = install(&mut layout, &book(&[("count", 1), ("stats", 2)]), 0);
    assert_eq!((first.conditions[0], first.level), (second.conditions[0], second.level));
    assert_ne!(first.conditions[1], second.conditions[1], "it began anew");
    assert_eq!(layout.of(first.conditions[1]), None);
    assert_eq!(layout.of(second.conditions[1]), Some(PartOf { rule: 0, condition: Some(1) }));
}

#[test]
fn an_ordinal_is_used_again_once_every_key_was_visited() {
    let mut layout = Layout::default();
    let former = install(&mut layout, &book(&[("count", 1), ("stats", 1)]), 4).conditions[1];
    let begun = |layout: &mut Layout, since: u64, round: u64| {
        install(layout, &book(&[("count", 1), ("count", since)]), round).conditions[1]
    };
    let second = begun(&mut layout, 2, 4);
    assert_eq!(layout.width(former), 5, "keys that were not visited may have its words");
    let third = begun(&mut layout, 3, 5);
    assert!(![former, second].contains(&third));
    assert_eq!(begun(&mut layout, 4, 6), former, "round 5 has visited every key");
    assert_eq!((layout.width(former), layout.words(former / PER_CHUNK, 1 << (former % PER_CHUNK))), (1, 1));
    assert_eq!(begun(&mut layout, 5, u64::MAX), third, "there is no key to visit");
}

#[test]
fn words_of_a_mask_are_the_sum_of_its_widths() {
    let mut layout = Layout::default();
    let parts = install(&mut layout, &book(&[("count", 1), ("stats", 1)]), 0);
    let all: Vec<Ordinal> = parts.conditions.iter().copied().chain([parts.level]).collect();
    for chosen in 0..1 << all.len() {
        let own: Vec<Ordinal> = (0..all.len()).filter(|i| chosen >> i & 1 == 1).map(|i| all[i]).collect();
        let mask = own.iter().fold(0, |mask, ordinal| mask | 1 << ordinal);
        assert_eq!(layout.words(0, mask), own.iter().map(|ordinal| layout.width(*ordinal)).sum::<usize>());
    }
}
