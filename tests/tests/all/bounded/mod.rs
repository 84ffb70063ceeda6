//! Property tests: a bound of memory changes no output, whatever is evicted and reloaded, and when.
//!
//! - `world`: `evaluate` driven step by step, on a store that is a map
//! - `touches`: touches of keys of a rule that is edited

mod touches;
mod world;

use std::collections::BTreeMap;

use operators::{
    model::decode::Decoder,
    ops::Correction,
    rule::change::{Published, RuleChange},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use strateye_tests::{
    engine::{crowd, sorted},
    random::{BASE, RandomCase, Shape, case},
    reference,
};

use self::world::{Decisions, World};

/// Layout of a run.
#[derive(Clone, Debug)]
struct Layout {
    bound: usize,
    /// Number of events of each epoch.
    batches: Vec<usize>,
    /// Numbers of epochs after which the process ends and another continues.
    restarts: Vec<usize>,
    decisions: Vec<u8>,
}

fn layouts() -> impl Strategy<Value = Layout> {
    let bound = prop_oneof![Just(0usize), 0usize..4_000];
    let batches = prop::collection::vec(1usize..8, 1..5);
    let restarts = prop::collection::vec(3usize..30, 0..3);
    let decisions = prop::collection::vec(any::<u8>(), 1..60);
    (bound, batches, restarts, decisions).prop_map(|(bound, batches, restarts, decisions)| Layout {
        bound,
        batches,
        restarts,
        decisions,
    })
}

fn published(rule: &Json, publish: i64, profiles: &[Json]) -> Published {
    let mut document = rule.clone();
    document.as_object_mut().unwrap().remove("crowd");
    let first = Published::first(&document.to_string(), 1, publish, BTreeMap::new()).unwrap();
    Published { crowd: crowd(rule, profiles), ..first }
}

/// A change of the rules before an epoch.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Pause,
    Resume { skip: bool },
    Remove,
    Correct,
}

fn run(case: &RandomCase, layout: &Layout, bounded: bool, edits: &[(usize, usize, Edit)]) -> World {
    let times = case.events.iter().filter_map(|line| Decoder::default().event_time(line.as_bytes()));
    let publish = case.options.publish_at.unwrap_or_else(|| times.min().unwrap_or(0));
    let profiles = case.options.profiles.clone().unwrap_or_default();
    let mut rules: Vec<Option<Published>> =
        case.rules.iter().map(|rule| Some(published(rule, publish, &profiles))).collect();
    let mut world = World::new(bounded.then_some(layout.bound), 1, Decisions::new(layout.decisions.clone()));
    world.apply(rules.iter().flatten().map(|p| RuleChange::Put(Box::new(p.clone()))).collect());
    let (mut next, mut epoch, mut pauses) = (0, 0, 0);
    let mut batches = layout.batches.iter().cycle();
    let mut restarts = layout.restarts.iter().cycle();
    let mut until = restarts.next().copied();
    while next < case.events.len() {
        for (_, which, edit) in edits.iter().filter(|(at, _, _)| *at == epoch) {
            let slot = which % rules.len();
            change(&mut world, &mut rules[slot], *edit, *which, &mut pauses);
        }
        let batch = batches.next().map_or(1, |n| *n).min(case.events.len() - next);
        world.events(0, &case.events[next..next + batch]);
        (next, epoch) = (next + batch, epoch + 1);
        if until == Some(0) {
            world.restart();
            until = restarts.next().copied();
        } else {
            until = until.map(|left| left - 1);
        }
    }
    world.end();
    world
}

fn change(world: &mut World, rule: &mut Option<Published>, edit: Edit, which: usize, pauses: &mut u64) {
    let Some(published) = rule else { return };
    match edit {
        Edit::Pause if published.pause.is_none() => {
            *pauses += 1;
            published.pause = Some(*pauses);
        }
        Edit::Resume { skip } if published.pause.is_some() => {
            let pause = published.pause.take();
            published.skipped.extend(pause.filter(|_| skip));
        }
        Edit::Pause | Edit::Resume { .. } => return,
        Edit::Remove => {
            let rule_id = published.rule_id.clone();
            *rule = None;
            return world.apply(vec![RuleChange::Remove { rule_id }]);
        }
        Edit::Correct => {
            let document: Json = serde_json::from_str(&published.document).unwrap();
            let conditions = document["conditions"].as_array().cloned().unwrap_or_default();
            let Some(condition) = conditions.get(which % conditions.len().max(1)) else { return };
            let correct = |key: u64| Correction {
                rule_id: published.rule_id.clone(),
                condition: condition["id"].as_str().unwrap().to_owned(),
                key: key.to_string(),
                text: None,
                by: "test".to_owned(),
            };
            return world.correct((1..4).map(correct).collect());
        }
    }
    let put = RuleChange::Put(Box::new(published.clone()));
    world.apply(vec![put]);
}

/// Time of the last event; [`World::end`] sets the clock 1 ms past it.
fn last(case: &RandomCase) -> i64 {
    let times = case.events.iter().filter_map(|line| Decoder::default().event_time(line.as_bytes()));
    times.max().unwrap_or(0)
}

fn edits() -> impl Strategy<Value = Vec<(usize, usize, Edit)>> {
    let edit = prop_oneof![
        3 => Just(Edit::Pause),
        3 => any::<bool>().prop_map(|skip| Edit::Resume { skip }),
        1 => Just(Edit::Remove),
        2 => Just(Edit::Correct),
    ];
    prop::collection::vec((0usize..40, 0usize..12, edit), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_bounded_engine_equals_the_reference(
        case in case(Shape { rules: 3, events: 80, lateness: 30_000, bad_lines: true }), layout in layouts(),
    ) {
        let outcome = reference::run(&case.rules, &case.events, &case.options);
        let world = run(&case, &layout, true, &[]);
        prop_assert_eq!(sorted(world.triggers()), sorted(outcome.triggers));
        let state = world.state(last(&case));
        // The final clock lies behind the last event and drops what is idle by then.
        let idle = |rule: &str| case.rules.iter().any(|r| r["rule_id"] == *rule && r.get("ttl").is_some());
        let left = outcome.state.into_iter().filter(|(at, _)| state.contains_key(at) || !idle(&at.0)).collect();
        prop_assert_eq!(state, left);
    }

    #[test]
    fn edits_of_rules_and_states_meet_the_same_with_a_bound_and_without(
        case in case(Shape { rules: 3, events: 80, lateness: 30_000, bad_lines: false }), layout in layouts(), edits in edits(),
    ) {
        let (bounded, free) = (run(&case, &layout, true, &edits), run(&case, &layout, false, &edits));
        prop_assert_eq!(sorted(bounded.triggers()), sorted(free.triggers()));
        // By the final clock: what is idle by then was dropped from memory, and may still be stored.
        let clock = last(&case) + 1;
        prop_assert_eq!(bounded.state(clock), free.state(clock));
    }
}

#[test]
fn keys_are_evicted_and_reloaded() {
    let rule = json!({
        "rule_id": "r", "conditions": [{"id": "n", "calculator": "count", "event": {"id": "a"}, "met": "value >= 40"}],
        "trigger": {"event": {"id": "a"}},
    });
    let event = |i: i64| json!({"guid": i % 10 + 1, "event_id": "a", "event_time": BASE + i}).to_string();
    let case = RandomCase {
        rules: vec![rule],
        events: (0..400).map(event).collect(),
        options: reference::Options::default(),
    };
    let decisions = (0..251u32).map(|i| (i * 7 % 251) as u8).collect();
    let layout = Layout { bound: 0, batches: vec![1], restarts: vec![150], decisions };
    let world = run(&case, &layout, true, &[]);
    assert_eq!(world.triggers().len(), 10);
    let (most, back) = world.evicted;
    assert!(most >= 5 && back >= 50, "{most} keys were out at most, {back} were read back");
}
