use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    calculator::{Fields, Slots},
    model::{
        ids::{Offset, PartitionId},
        value::Value,
    },
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        plan::RulePlan,
    },
    state::{Armed, text::write},
};

/// Of each rule: a count by words, a text by number, a sliding count by number, statistics, and a timer.
fn document(rule: u64, conditions: usize) -> String {
    let of = |c: usize| match c % 4 {
        0 => r#""calculator": "count""#,
        1 => r#""calculator": "count", "window": {"last": "1h"}"#,
        2 => r#""calculator": "stats", "params": {"of": "amt"}, "met": "sum > 1""#,
        _ => r#""calculator": "last", "params": {"of": "amt"}, "met": "value > 1""#,
    };
    let conditions: Vec<String> =
        (0..conditions).map(|c| format!(r#"{{"id": "c{c}", {}, "event": {{"id": "A"}}}}"#, of(c))).collect();
    format!(
        r#"{{"rule_id": "r{rule}", "key_by": "ip", "trigger": "satisfied", "conditions": [{}]}}"#,
        conditions.join(",")
    )
}

fn book(rules: u64, conditions: usize) -> Arc<RuleBook> {
    let put = |i: u64| {
        let document = document(i, conditions);
        RuleChange::Put(Box::new(Published::first(&document, 1, 0, BTreeMap::new()).unwrap()))
    };
    let set = ChangeSet { changes: (0..rules).map(put).collect(), ..ChangeSet::default() };
    let applied = Catalog::default().apply(&set);
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    applied.book
}

fn timer(letters: usize) -> Armed {
    Armed {
        deadline: 0,
        partition: PartitionId::default(),
        offset: Offset::default(),
        event_id: "A".repeat(letters).into(),
        event_time: 0,
        guid: None,
        values: Vec::new(),
    }
}

/// What a key is to have: per rule and condition the text of its state, and the letters of an armed timer.
type Model = BTreeMap<u32, BTreeMap<(usize, usize), String>>;

/// Text of a condition's state.
fn text(state: &mut RuleState<'_>, plan: &RulePlan, condition: usize) -> String {
    let mut text = String::new();
    let names = plan.conditions[condition].program.names();
    write(names, state.fields(plan, condition).values(), &mut text);
    text
}

/// Folds a number into a condition of the kinds that [`document`] gives by position.
fn fold(state: &mut RuleState<'_>, plan: &RulePlan, condition: usize, time: i64) {
    fold_into(&mut state.fields_mut(plan, condition), condition, time);
}

fn fold_into(fields: &mut Fields<'_>, condition: usize, time: i64) {
    match condition % 4 {
        0 => fields.set_word(0, fields.word(0) + time),
        1 => fields.count(0, time * 1000, 9000),
        _ => fields.fold(0, Some(&Value::Int(time)), time, time).unwrap(),
    }
}

/// Folds a number into conditions of many rules in one walk, twice into each; into others nothing is folded.
fn fold_many(open: &mut OpenKey<'_>, parts: &[RuleParts], of: &[(usize, usize)], plan: &RulePlan, time: i64) {
    let mut ascending = of.to_vec();
    ascending.sort_by_key(|(rule, c)| parts[*rule].conditions[*c]);
    let mut walk = open.walk();
    for (rule, c) in ascending {
        let (part, shape) = (parts[rule].conditions[c], plan.conditions[c].program.shape());
        for times in [1, 2] {
            let place = walk.place(part);
            let are_first = walk.words(place, part, shape).starts_with(shape.initial_words());
            let mut fields = walk.fields(place, part, shape);
            assert!(are_first || !fields.are_initial());
            if times == 1 && rule % 2 == 0 {
                walk.take_back(part, shape);
            } else {
                fold_into(&mut fields, c, time);
            }
        }
    }
    drop(walk);
    open.put_in();
}

/// Switches to a version of a rule in which the conditions began as given.
fn begin(store: &mut Store, plan: &RulePlan, since: &[u64]) -> RuleParts {
    let mut identities = (*plan.identities).clone();
    identities.conditions.iter_mut().zip(since).for_each(|(identity, since)| identity.since = *since);
    let version = RulePlan { identities: Arc::new(identities), ..plan.clone() };
    let round = if store.is_empty() { u64::MAX } else { store.rounds };
    store.layouts[0].install([(0, &version)].into_iter(), round).remove(0).1
}

proptest! {
    /// Whatever the pace of the sweep: a condition that begins anew has nothing of former ones, whose places it
    /// may take, and the others have what they had.
    #[test]
    fn places_are_used_again_without_a_trace(
        steps in prop::collection::vec((0..9u8, 0..4u32, 0..5usize, 1..7i64), 1..200),
    ) {
        let (book, mut store, mut since) = (book(1, 5), Store::default(), [1; 5]);
        let plan = &*book.rules[0];
        store.install(&book);
        let mut parts = begin(&mut store, plan, &since);
        let mut model = BTreeMap::<(u32, usize), String>::new();
        for (step, key, condition, time) in steps {
            let id = store.entry(u64::from(key), 0, &key.to_string());
            match step {
                0..=3 => {
                    let text = store.with_key(id, |open| {
                        let mut state = open.rule(&parts);
                        fold(&mut state, plan, condition, time);
                        text(&mut state, plan, condition)
                    });
                    model.insert((key, condition), text);
                }
                4 | 5 => {
                    since[condition] += 1;
                    parts = begin(&mut store, plan, &since);
                    model.retain(|(_, c), _| *c != condition);
                }
                6 | 7 => (0..time).for_each(|_| {
                    let id = store.next_in_turn().unwrap();
                    store.with_key(id, |open| open.prune());
                }),
                _ => {
                    store.remove(id);
                    model.retain(|(k, _), _| *k != key);
                }
            }
            let mut found = BTreeMap::new();
            for id in store.ids().collect::<Vec<_>>() {
                let key: u32 = store.block(id).key().parse().unwrap();
                store.with_key(id, |open| {
                    let mut state = open.rule(&parts);
                    for c in (0..5).filter(|c| !state.is_first(plan, *c)).collect::<Vec<_>>() {
                        found.insert((key, c), text(&mut state, plan, c));
                    }
                });
            }
            prop_assert_eq!(&found, &model);
        }
        store.ids().collect::<Vec<_>>().into_iter().for_each(|id| drop(store.remove(id)));
        prop_assert!(store.is_clean());
    }

    /// Whatever is folded, comes back to its first value, is cleared and removed: the store has what is there and,
    /// once pruned, nothing else, knows what is unsaved, weighs the same however it came about, and leaks nothing.
    #[test]
    fn a_store_is_a_map_of_states(
        weighs in any::<bool>(),
        steps in prop::collection::vec((0..16u8, 0..3u32, 0..20usize, 0..5usize, 1..9i64), 1..160),
    ) {
        let (book, mut store, mut model) = (book(20, 5), Store::default(), Model::new());
        store.record(true);
        if weighs {
            store.weigh();
        }
        let parts = store.install(&book);
        let mut unsaved = BTreeMap::<(u32, usize, usize), bool>::new();
        for (step, key, rule, condition, time) in steps {
            let id = store.entry(u64::from(key), 0, &key.to_string());
            let (own, states) = (&parts[rule], model.entry(key).or_default());
            match step {
                // A record that folds into two rules, of which one may be absent yet.
                0..=6 => store.with_key(id, |open| {
                    for rule in [rule, 19 - rule] {
                        let plan = &book.rules[rule];
                        let mut state = open.rule(&parts[rule]);
                        fold(&mut state, plan, condition, time);
                        states.insert((rule, condition), text(&mut state, plan, condition));
                        unsaved.insert((key, rule, condition), true);
                    }
                }),
                7 => store.with_key(id, |open| open.rule(own).arm(condition, timer(time as usize))),
                8 => store.with_key(id, |open| open.rule(own).disarm(condition)),
                9 => store.with_key(id, |open| {
                    open.rule(own).clear();
                    for c in 0..5 {
                        // One that is back at its first value may be deleted once more.
                        if states.remove(&(rule, c)).is_some() || c % 4 == 0 {
                            unsaved.insert((key, rule, c), true);
                        }
                    }
                }),
                10 => store.with_key(id, |open| {
                    open.set_saved();
                    unsaved.retain(|(k, ..), _| *k != key);
                }),
                11 => store.with_key(id, |open| {
                    let whole = condition / 4 * 4;
                    open.rule(own).fields_mut(&book.rules[rule], whole).set_word(0, 0);
                    states.remove(&(rule, whole));
                    unsaved.insert((key, rule, whole), true);
                }),
                // A record that folds into conditions of many rules.
                13 | 14 => store.with_key(id, |open| {
                    let all = (0..20).flat_map(|rule| (0..5).map(move |c| (rule, c)));
                    let of: Vec<_> = all.filter(|(r, c)| (r * 7 + c * 3 + rule) % (condition + 1) == 0).collect();
                    fold_many(open, &parts, &of, &book.rules[0], time);
                    for (rule, c) in of {
                        states.insert((rule, c), text(&mut open.rule(&parts[rule]), &book.rules[rule], c));
                        unsaved.insert((key, rule, c), true);
                    }
                }),
                12 => {
                    for id in store.ids().collect::<Vec<_>>() {
                        store.with_key(id, |open| open.prune());
                    }
                    prop_assert_eq!(store.conditions(), model.values().map(BTreeMap::len).sum::<usize>());
                }
                _ => {
                    store.remove(id);
                    states.clear();
                    unsaved.retain(|(k, ..), _| *k != key);
                }
            }
            for id in store.ids().collect::<Vec<_>>() {
                let key: u32 = store.block(id).key().parse().unwrap();
                let found: BTreeMap<(usize, usize), String> = store.with_key(id, |open| {
                    let mut found = BTreeMap::new();
                    for (rule, (plan, parts)) in book.rules.iter().zip(&parts).enumerate() {
                        let mut state = open.rule(parts);
                        for c in (0..5).filter(|c| !state.is_first(plan, *c)).collect::<Vec<_>>() {
                            found.insert((rule, c), text(&mut state, plan, c));
                        }
                    }
                    found
                });
                prop_assert_eq!(Some(&found), model.get(&key));
                let (mut waiting, mut armed) = (Vec::new(), Vec::new());
                store.with_key(id, |open| {
                    open.rules_with_timers(&mut waiting);
                    armed.extend((0..20).filter(|rule| open.rule(&parts[*rule as usize]).next_armed().is_some()));
                });
                waiting.sort_unstable();
                prop_assert_eq!(waiting, armed);
                let mut dirty = Vec::new();
                store.with_key(id, |open| open.unsaved(&mut dirty));
                for part in dirty {
                    if let Some(c) = part.of.condition.map(usize::from) {
                        let at = (key, part.of.rule as usize, c);
                        prop_assert!(unsaved.contains_key(&at), "{:?}", part);
                        prop_assert!(part.present || !found.contains_key(&(at.1, c)), "{:?}", part);
                    }
                }
            }
        }
        let weighed = store.bytes();
        prop_assert_eq!(weighed > 0, weighs && !store.is_empty());
        for id in store.ids().collect::<Vec<_>>() {
            store.remove(id);
        }
        prop_assert!(store.is_clean() && store.bytes() == 0);
    }
}
