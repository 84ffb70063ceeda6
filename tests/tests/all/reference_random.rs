//! Property tests of the reference on random cases: it accepts every rule drawn, and the cases are worth
//! running.

use std::collections::{BTreeMap, BTreeSet};

use operators::model::decode::Decoder;
use proptest::prelude::{ProptestConfig, Strategy, proptest};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use strateye_tests::random::{Shape, case};
use strateye_tests::reference::{Options, run};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn firings_keep_to_limits_and_to_the_life_of_the_rule(
        case in case(Shape { bad_lines: true, ..Shape::default() }),
    ) {
        let outcome = run(&case.rules, &case.events, &case.options);
        for rule in &case.rules {
            let fired: Vec<&Json> = outcome.triggers.iter().filter(|t| t["rule_id"] == rule["rule_id"]).collect();
            let mut per_key: BTreeMap<String, u64> = BTreeMap::new();
            for trigger in &fired {
                *per_key.entry(trigger["key"].to_string()).or_default() += 1;
                if let Some(publish) = case.options.publish_at {
                    assert!(trigger["fired_at"].as_i64().unwrap() >= publish);
                }
            }
            if let (Some(times), true) = (rule["limit"]["times"].as_u64(), rule["limit"]["per"].is_null()) {
                // A key that idled longer than ttl starts anew.
                assert!(rule.get("ttl").is_some() || per_key.values().all(|fired| *fired <= times));
            }
        }
    }

    #[test]
    fn rules_do_not_touch_each_other(case in case(Shape::default())) {
        let together = run(&case.rules, &case.events, &case.options);
        let mut alone = Vec::new();
        for rule in &case.rules {
            alone.append(&mut run(std::slice::from_ref(rule), &case.events, &case.options).triggers);
        }
        assert_eq!(together.triggers, alone);
    }

    #[test]
    fn events_after_a_firing_do_not_change_it(case in case(Shape::default()), cut in 0.1..0.9f64) {
        // A run over the first events fires what the whole run has fired by then: nothing depends on later
        // events. Timers that are due just where the short run ends are left out, as it ends with a last step
        // of the clock.
        let count = ((case.events.len() as f64) * cut) as usize;
        let options = Options { publish_at: case.options.publish_at.or(least_time(&case.events)), ..case.options };
        let whole = run(&case.rules, &case.events, &options);
        let short = run(&case.rules, &case.events[..count], &options);
        let by_event = |triggers: &[Json]| -> BTreeSet<String> {
            let caused = |t: &&Json| t["cause"]["offset"].as_u64().is_some_and(|o| o < count as u64);
            let direct = |t: &&Json| t["cause"].get("deadline").is_none();
            triggers.iter().filter(caused).filter(direct).map(Json::to_string).collect()
        };
        assert_eq!(by_event(&short.triggers), by_event(&whole.triggers));
    }
}

fn least_time(events: &[String]) -> Option<i64> {
    events.iter().filter_map(|line| Decoder::default().event_time(line.as_bytes())).min()
}

#[test]
fn random_cases_fire_in_every_way_there_is() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut silent = 0;
    for _ in 0..400 {
        let case = case(Shape::default()).new_tree(&mut runner).unwrap().current();
        let outcome = run(&case.rules, &case.events, &case.options);
        silent += usize::from(outcome.triggers.is_empty());
        for trigger in &outcome.triggers {
            let rule = case.rules.iter().find(|rule| rule["rule_id"] == trigger["rule_id"]).unwrap();
            let mut note = |what: String| *seen.entry(what).or_default() += 1;
            note(format!(
                "trigger {}",
                rule["trigger"].as_str().unwrap_or(if rule["trigger"].get("each").is_some() {
                    "each"
                } else {
                    "event"
                })
            ));
            note(format!("held out {}", trigger["held_out"]));
            if trigger["cause"].is_null() {
                note("already".to_owned());
            }
            if trigger["cause"].get("deadline").is_some() {
                note("timer".to_owned());
            }
            for field in rule.as_object().unwrap().keys() {
                note(format!("field {field}"));
            }
            for condition in rule["conditions"].as_array().unwrap() {
                let figures = trigger["values"][condition["id"].as_str().unwrap()].as_object().unwrap();
                if figures.values().any(|figure| figure.as_f64() != Some(0.0)) {
                    note(format!("calculator {}", condition["calculator"].as_str().unwrap()));
                }
                for window in condition.get("window").and_then(Json::as_object).into_iter().flatten() {
                    note(format!("window {}", window.0));
                }
            }
        }
    }
    for what in [
        "trigger event",
        "trigger satisfied",
        "trigger each",
        "held out true",
        "already",
        "timer",
        "field crowd",
        "field active",
        "field reset",
        "field ttl",
        "field late",
        "field limit",
        "field key_by",
        "field action",
        "calculator count",
        "calculator distinct",
        "calculator stats",
        "calculator top",
        "calculator last",
        "calculator sequence",
        "calculator gap",
        "calculator absence",
        "window last",
        "window this",
        "window from",
        "window until",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times >= 5), "{what}: {:?} in {seen:#?}", seen.get(what));
    }
    assert!(silent < 200, "{silent} of 400 cases fire nothing");
}
