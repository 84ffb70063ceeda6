//! A bound of memory of a fifth of what the state takes: random workloads fire the same triggers and leave
//! the same states as by the reference, while keys are evicted to the embedded store and reloaded.
//!
//! Events are given their own times as in a replay, while state is kept as in a live run; the command line
//! offers no such job.

use std::{collections::BTreeMap, sync::Arc};

use operators::{
    model::ids::BookGeneration,
    ops::evaluating::{Evaluator, StateNames},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
    },
    state::delta::Change,
};
use serde_json::{Value as Json, json};
use strateye_tests::reference::{self, Options, StateKey};

use crate::{
    kept_job::{Case, KeptJob},
    workload::{Workload, shared_fields},
};

/// Users per user of the random stream.
const SPREAD: u64 = 150;
/// Events between two waits until everything is in the readable state, so that it may leave memory.
const PART: usize = 150;
/// More than any state takes: it is weighed, and stays in memory.
const NO_BOUND: usize = 1 << 40;

/// A workload whose texts that are keys are spread over many too, and which ends some time after its last
/// deadline.
fn case(number: u8) -> Case {
    let Workload { rules, mut events, profiles } = Workload::numbered(number, SPREAD);
    for (number, event) in (0u64..).zip(&mut events) {
        for name in ["device_id", "ip", "session_id"] {
            if let Some(text) = event[name].as_str() {
                event[name] = format!("{text}-{}", number % SPREAD).into();
            }
        }
    }
    let times: Vec<i64> = events.iter().map(|event| event["event_time"].as_i64().unwrap()).collect();
    let last = times.iter().max().unwrap() + 7;
    events.push(json!({"event_id": "the-end", "event_time": last}));
    let events = events.iter().map(Json::to_string).collect();
    Case { rules, events, profiles, publish_at: times[0], last }
}

/// Figures of all states in the readable hashes of a store: by name and key, texts.
fn figures(case: &Case, stored: &BTreeMap<(String, String), String>) -> BTreeMap<StateKey, Json> {
    let published = |rule: &Json| {
        let mut document = rule.clone();
        document.as_object_mut().unwrap().remove("crowd");
        let first = Published::first(&document.to_string(), 1, case.publish_at, BTreeMap::new()).unwrap();
        RuleChange::Put(Box::new(first))
    };
    let changes = case.rules.iter().map(published).collect();
    let set = ChangeSet { generation: BookGeneration(1), changes };
    let book = Arc::clone(&Catalog::default().apply(&set).book);
    let names = StateNames::of(&book);
    let mut evaluator = Evaluator::new(book);
    for ((name, key), text) in stored {
        evaluator.restore(&names, &Change { name, key, text: Some(text) }).unwrap();
    }
    evaluator.restored(case.last);
    let all = evaluator.figures(case.last).into_iter();
    all.map(|f| ((f.rule_id, f.key, f.condition), f.outputs)).collect()
}

fn assert_same(states: &BTreeMap<StateKey, Json>, expected: &BTreeMap<StateKey, Json>) {
    let differs = |key: &&StateKey| states.get(*key) != expected.get(*key);
    let differing: Vec<_> = states.keys().chain(expected.keys()).filter(differs).collect();
    let shown = differing.iter().take(4).map(|key| (key, states.get(*key), expected.get(*key)));
    assert!(differing.is_empty(), "{} states differ: {:#?}", differing.len(), shown.collect::<Vec<_>>());
}

fn a_fifth_is_enough(number: u8, processes: usize) {
    let case = case(number);
    let options = Options {
        publish_at: Some(case.publish_at),
        profiles: Some(case.profiles.clone()),
        ..Options::default()
    };
    let expected = reference::run(&case.rules, &case.events, &options);

    let mut free = KeptJob::start(&case, processes, NO_BOUND);
    free.send(&case.events);
    let weighed = free.numbers();
    let free = free.end();
    let bound = weighed.bytes / processes / 5;

    let mut bounded = KeptJob::start(&case, processes, bound);
    case.events.chunks(PART).for_each(|part| bounded.send(part));
    let seen = bounded.numbers();
    let bounded = bounded.end();

    assert_eq!((weighed.evicted, weighed.reloads), (0, 0));
    assert!(
        seen.evicted > weighed.keys / 4 && seen.reloads > weighed.keys as u64 / 4,
        "{weighed:?} {seen:?}"
    );
    assert!(seen.bytes < weighed.bytes / 2, "{weighed:?} {seen:?}");
    assert_eq!(bounded.triggers, free.triggers);
    let parsed: Vec<Json> = bounded.triggers.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(parsed.len() > 300, "only {} triggers", parsed.len());
    assert_eq!(shared_fields(&parsed), shared_fields(&expected.triggers));
    // What is idle beyond its `ttl` may still be stored, or not.
    let idle = |rule: &str| case.rules.iter().any(|r| r["rule_id"] == *rule && r.get("ttl").is_some());
    let lasting = |figures: BTreeMap<StateKey, Json>| -> BTreeMap<StateKey, Json> {
        figures.into_iter().filter(|((rule, ..), _)| !idle(rule)).collect()
    };
    let states = lasting(figures(&case, &bounded.stored));
    assert!(states.len() > 1_000, "only {} states", states.len());
    assert_same(&states, &lasting(figures(&case, &free.stored)));
    assert_same(&states, &lasting(expected.state));
}

#[test]
fn a_fifth_of_the_memory_is_enough_for_one_process() {
    a_fifth_is_enough(7, 1);
}

#[test]
fn a_fifth_of_the_memory_is_enough_for_two_processes() {
    a_fifth_is_enough(11, 2);
}

#[test]
fn a_fifth_of_the_memory_is_enough_for_five_processes() {
    a_fifth_is_enough(23, 5);
}
