//! Tests that every variant compiles, is the same everywhere, and does what it is documented to do.

use std::{collections::BTreeSet, sync::Arc};

use clap::ValueEnum as _;
use operators::{
    model::trigger::Trigger,
    ops::{Emitted, evaluating::Evaluator},
};
use serde_json::{Value as Json, json};

use super::{Kind, demo, document::filters, idle, write};
use crate::{
    prepared::Prepared,
    workload::{Folder, Settings, events::START},
};

const SMALL: Settings = Settings { events: 8_000, users: 200, rules: 24, seed: 7 };

fn rules() -> Vec<Json> {
    SMALL.rule_documents().map(|(_, text)| serde_json::from_str(&text).unwrap()).collect()
}

fn compile<'r>(rules: impl IntoIterator<Item = &'r Json>) -> Prepared {
    let documents = rules.into_iter().map(|rule| (super::document::id(rule).to_owned(), rule.to_string()));
    Prepared::compile(documents, START).unwrap()
}

/// Triggers over the small workload's events, in the order in which they fire.
fn fired(rules: &[Json]) -> Vec<Trigger> {
    let rules = compile(rules);
    let routed = rules.route(SMALL.event_lines());
    let mut evaluator = Evaluator::new(Arc::clone(&rules.book));
    let mut emitted = Emitted::default();
    (0..routed.len()).for_each(|i| evaluator.record(&routed.get(i).unwrap(), &mut emitted));
    assert!(emitted.failures.is_empty(), "{:?}", emitted.failures);
    emitted.triggers.iter().map(|fired| fired.read().unwrap()).collect()
}

fn of(kind: Kind, rules: &[Json]) -> Vec<Json> {
    kind.documents(rules.iter().cloned().map(Ok)).unwrap().map(Result::unwrap).collect()
}

/// Conditions of every built-in calculator, with and without a window, and with optional params.
fn all_calculators() -> Json {
    let event = json!({"id": "pay"});
    let steps = json!([{"id": "item_view"}, {"id": "item_click"}]);
    let condition = |id: &str, calculator: &str, rest: Json| {
        let mut condition = json!({"id": id, "calculator": calculator});
        condition.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        condition
    };
    json!({
        "rule_id": "all",
        "conditions": [
            condition("count", "count", json!({"event": event})),
            condition("counts", "count", json!({"event": event, "window": {"last": "1m"}})),
            condition("stats", "stats", json!({"event": event, "params": {"of": "properties.amt"}})),
            condition("top", "top", json!({"event": event, "params": {"of": "amt", "n": 3}, "window": {"last": "1m"}})),
            condition("distinct", "distinct", json!({"event": {"id": "item_view"}, "params": {"of": "item"}})),
            condition("last", "last", json!({"event": {"id": "search"}, "params": {"of": "keyword"}})),
            condition("sequence", "sequence", json!({"steps": steps})),
            condition("adjacent", "gap", json!({"steps": steps, "params": {"at_least": "1s", "less_than": "20s"}})),
            condition("earliest", "gap", json!({"steps": steps, "params": {"more_than": "1s", "at_most": "20s", "anchor": "earliest"}})),
            condition("latest", "gap", json!({"steps": steps, "params": {"anchor": "latest"}})),
            condition("absence", "absence", json!({"steps": steps, "params": {"within": "10s"}})),
        ],
        "when": "true",
        "trigger": {"event": {"id": "page_view"}},
    })
}

#[test]
fn scripts_of_users_fire_what_the_builtin_ones_fire() {
    let mut rules = rules();
    rules.push(all_calculators());
    let (builtin, scripts) = (fired(&rules), fired(&of(Kind::Scripts, &rules)));
    assert!(builtin.len() > 1_000, "{}", builtin.len());
    assert_eq!(builtin, scripts);
    let text = json!(of(Kind::Scripts, &rules)).to_string();
    assert!(!text.contains("\"calculator\":\""), "a built-in calculator is left");
}

#[test]
fn each_rule_of_each_variant_compiles() {
    let rules = rules();
    for kind in Kind::value_variants() {
        if [Kind::Idle, Kind::Demo].contains(kind) {
            continue;
        }
        let variant = of(*kind, &rules);
        assert_eq!(compile(&variant).book.rules.len(), rules.len(), "{kind:?}");
        assert_ne!(variant, rules, "{kind:?}");
        assert_eq!(variant, of(*kind, &variant), "{kind:?} of itself");
    }
    let demo: Vec<Json> = demo::documents(2, 50).collect();
    assert_eq!(compile(&demo).book.rules.len(), 100);
}

#[test]
fn edits_set_what_they_are_documented_to_set() {
    let rules = rules();
    for (kind, field, value) in [
        (Kind::Guards, "/limit/times", json!(3)),
        (Kind::Guards, "/ttl", json!("30d")),
        (Kind::Guards, "/active/until", json!("2100-01-01T00:00:00Z")),
        (Kind::Guards, "/late", json!("1d")),
        (Kind::Sliding, "/conditions/3/window/last", json!("1h")),
        (Kind::Devices, "/key_by", json!("device_id")),
        (Kind::Resets, "/reset", json!(true)),
        (Kind::Resets, "/holdout", json!(0.1)),
        (Kind::Satisfied, "/trigger", json!("satisfied")),
        (Kind::Each, "/trigger/each", json!("c0")),
    ] {
        assert!(of(kind, &rules).iter().all(|rule| rule.pointer(field) == Some(&value)), "{kind:?} {field}");
    }
    assert!(of(Kind::Users, &rules).iter().all(|rule| rule.get("crowd").is_none()));
    let own = json!({"rule_id": "own", "ttl": "1h", "trigger": "satisfied"});
    assert_eq!(of(Kind::Guards, &[own])[0]["ttl"], "1h");
}

#[test]
fn idle_rules_match_nothing_and_leave_the_others_as_they_are() {
    let rules = rules();
    let idle: Vec<Json> = idle::documents(rules[..10].to_vec(), 25).collect();
    assert_eq!((idle.len(), &idle[..10]), (35, &rules[..10]));
    assert!(!fired(&rules[..10]).is_empty());
    assert_eq!(fired(&idle), fired(&rules[..10]));
    let idle = compile(&idle[10..]);
    assert_eq!((idle.book.rules.len(), idle.route(SMALL.event_lines()).len()), (25, 0));
    let all = of(Kind::Idle, &rules);
    let ids: BTreeSet<&str> = all.iter().map(super::document::id).collect();
    assert_eq!(ids.len(), rules.len() + idle::IDLE);
}

#[test]
fn all_filters_of_a_rule_are_found() {
    let mut rule = all_calculators();
    // Six conditions with an event, five with two steps, and the trigger.
    assert_eq!(filters(&mut rule).len(), 17);
    assert!(filters(&mut json!({"trigger": "satisfied"})).is_empty());
}

#[test]
fn a_variant_is_written_as_a_workload() {
    let folder = tempfile::tempdir().unwrap();
    let from = Folder::of(&folder.path().join("from"));
    from.write(&Settings { events: 300, users: 20, rules: 3, seed: 1 }).unwrap();
    for (kind, same_events) in [(Kind::Guards, true), (Kind::Demo, false)] {
        let out = folder.path().join(format!("{kind:?}"));
        write(kind, &from, &out).unwrap();
        let events = |folder: &Folder| std::fs::read_to_string(&folder.events).unwrap();
        let (here, there) = (events(&from), events(&Folder::of(&out)));
        assert_eq!((here == there, there.lines().count()), (same_events, 300), "{kind:?}");
        let again = write(kind, &from, &out).unwrap_err();
        assert!(again.exit_code() == 2 && again.to_string().contains("is not empty"), "{again}");
    }
    assert_eq!(Prepared::of_folder(&folder.path().join("Guards/rules"), 0).unwrap().book.rules.len(), 3);
    std::fs::write(from.rules.join("r.json"), "{}").unwrap();
    let error = write(Kind::Users, &from, &folder.path().join("other")).unwrap_err();
    assert!(error.to_string().contains("r.json is not a valid rule"), "{error}");
    assert!(!folder.path().join("other").exists());
}
