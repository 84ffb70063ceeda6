//! Tests of the demo: its rules compile, its story can be played, and nearly all rules fire over the
//! generator's load.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use operators::{
    document::spec::{self, Rule},
    model::{
        decode::{Decoder, EventFormat},
        field::Fields,
        ids::{BookGeneration, Offset},
        routed::Routed,
    },
    ops::{Emitted, evaluating::Evaluator, matcher::Matcher},
    rule::{
        catalog::Catalog,
        change::{ChangeSet, Published, RuleChange},
        compile::compile,
        crowd::Crowd,
    },
};
use serde_json::Value;
use sources::events::{EventSource, GeneratorConfig, GeneratorSource, Next, Start};

use super::*;

const START: u64 = 1_795_000_000_000;
const RATE: f64 = 12_000.0;
const EVENTS: u64 = 400_000;
const USERS: u64 = 1_000_000;

/// Parses and compiles a document's rule.
fn checked(document: &Value) -> Rule {
    let rule = Rule::parse(&document.to_string()).unwrap_or_else(|e| panic!("{e}"));
    compile(Arc::new(rule.clone()), START as i64, &mut Fields::default(), &())
        .unwrap_or_else(|e| panic!("{}: {e}", rule.rule_id));
    rule
}

fn published(rule_id: &str, version: u64, document: &Value) -> RuleChange {
    let mut document = document.clone();
    let crowd = document.as_object_mut().and_then(|d| d.shift_remove("crowd"));
    let first = Published::first(&document.to_string(), version, START as i64, BTreeMap::new()).unwrap();
    assert_eq!(first.rule_id, rule_id);
    let crowd = crowd.map(|c| Crowd::from_base64(c["bitmap"].as_str().unwrap()).unwrap());
    RuleChange::Put(Box::new(Published { crowd, ..first }))
}

#[test]
fn fifty_rules_of_four_conditions_compile() {
    let rules = rules(10_000);
    assert_eq!(rules.len(), 50);
    assert_eq!(rules.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 50);
    let mut crowds = 0;
    for (rule_id, document) in &rules {
        let rule = checked(document);
        assert_eq!((&rule.rule_id, rule.conditions.len()), (rule_id, 4));
        assert!(!rule.name.is_ascii(), "{rule_id}: {}", rule.name);
        assert!(rule.limit.is_some(), "{rule_id} has no limit");
        if let Some(spec::Crowd::Bitmap(text)) = &rule.crowd {
            let members = Crowd::from_base64(text).unwrap();
            assert!((2_800..=3_200).contains(&members.len()), "{rule_id}: {}", members.len());
            assert!(!members.contains(0) && !members.contains(10_001));
            crowds += 1;
        }
    }
    assert_eq!(crowds, 45);
    assert!(rules.iter().any(|(_, d)| d["reset"] == true) && rules.iter().any(|(_, d)| d["holdout"] == 0.1));
}

#[test]
fn crowds_grow_with_the_users_and_differ_by_rule() {
    let scattered =
        |id, users| Crowd::from_base64(&crowd::Audience::Scattered.bitmap(id, users).unwrap()).unwrap();
    let (a, b) = (scattered("a", USERS), scattered("b", USERS));
    assert!((298_000..=302_000).contains(&a.len()) && a != b && a == scattered("a", USERS));
    let both = (1..=USERS).filter(|g| a.contains(*g) && b.contains(*g)).count();
    assert!((85_000..=95_000).contains(&both), "{both}");
    assert_eq!(crowd::Audience::Everybody.bitmap("a", USERS), None);
}

#[test]
fn the_story_can_be_played() {
    let acts = story();
    assert!(acts.is_sorted_by_key(|a| a.at) && acts.iter().all(|a| a.at <= Duration::from_secs(50)));
    let mut live: BTreeMap<String, bool> = rules(10).into_iter().map(|(id, _)| (id, true)).collect();
    for act in &acts {
        let id = act.change.rule_id();
        match &act.change {
            StoryChange::Publish(_, document) => {
                assert_eq!(checked(document).rule_id, id);
                assert_eq!(live.insert(id.to_owned(), true), None);
            }
            StoryChange::Edit(_, document) => {
                assert_eq!(checked(document).rule_id, id);
                assert_eq!(live.get(id), Some(&true));
            }
            StoryChange::Pause(_) => assert_eq!(live.insert(id.to_owned(), false), Some(true)),
            StoryChange::Resume(_) => assert_eq!(live.insert(id.to_owned(), true), Some(false)),
            StoryChange::Retire(_) => assert!(live.remove(id).is_some()),
        }
    }
}

/// Number of triggers by rule over the generator's load; rules of the story count under `ID-SECOND`.
fn play() -> BTreeMap<String, u32> {
    let documents = rules(USERS).into_iter().chain(story().into_iter().filter_map(|act| match act.change {
        StoryChange::Publish(id, mut document) | StoryChange::Edit(id, mut document) => {
            let id = format!("{id}-{}", act.at.as_secs());
            document["rule_id"] = id.as_str().into();
            Some((id, document))
        }
        _ => None,
    }));
    let changes = documents.map(|(id, document)| published(&id, 1, &document)).collect();
    let mut catalog = Catalog::default();
    let applied = catalog.apply(&ChangeSet { generation: BookGeneration(1), changes });
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    let crowds: HashMap<u32, Crowd> =
        applied.crowds.into_iter().filter_map(|c| Some((c.slot, c.after?))).collect();
    let mut matcher = Matcher::new(Decoder::new(&EventFormat::default()), Arc::clone(&applied.book), false);
    matcher.install(Arc::clone(&applied.book), crowds);
    let mut evaluator = Evaluator::new(applied.book);
    let mut fired: BTreeMap<String, u32> = rules(1).into_iter().map(|(id, _)| (id, 0)).collect();
    let mut source = GeneratorSource::new(GeneratorConfig {
        seed: 7,
        users: USERS,
        rate: RATE,
        start: Start::Fixed(START),
        paced: false,
        limit: Some(Offset(EVENTS)),
        ..GeneratorConfig::default()
    })
    .unwrap();
    let (mut routed, mut refused) = (Routed::default(), Vec::new());
    while let Next::Batch(batch) = source.next(Duration::ZERO).unwrap() {
        routed.clear();
        matcher.batch(&batch, &mut routed, &mut refused);
        let mut out = Emitted::default();
        (0..routed.len()).for_each(|i| evaluator.record(&routed.get(i).unwrap(), &mut out));
        let clock = matcher.clocks().iter().map(|(_, clock)| clock).max().unwrap().0;
        evaluator.advance(clock, u64::MAX, &mut out);
        assert!(out.failures.is_empty(), "{:?}", out.failures);
        for trigger in out.triggers {
            *fired.entry(trigger.rule_id).or_default() += 1;
        }
    }
    assert!(refused.is_empty(), "{:?}", refused.first());
    assert_eq!(matcher.counts().records, EVENTS);
    fired
}

#[test]
fn most_rules_fire_within_half_a_minute_and_the_total_can_be_read() {
    let fired = play();
    let total = |id: &str| fired[id];
    let silent: Vec<_> = rules(1).into_iter().map(|(id, _)| id).filter(|id| total(id) == 0).collect();
    assert!(silent.len() <= 10, "silent: {silent:?}");
    let seconds = EVENTS as f64 / RATE;
    let per_second = f64::from(rules(1).iter().map(|(id, _)| total(id)).sum::<u32>()) / seconds;
    assert!((20.0..=400.0).contains(&per_second), "{per_second} triggers a second");
    assert!(total("double11-raid-16") > 2 * total("double11-raid-8") && total("double11-raid-8") > 10);
    assert!(total("double11-login-watch-43") > total("double11-login-watch-27"));
}
